"""Hosts: where credentials may go, and how a URL is shown. Opens no network."""

import re
from urllib.parse import urlsplit

from importer.core.errors import SettingsError

REGIONS = {
    "us-east-1": "mypurecloud.com",
    "us-west-2": "usw2.pure.cloud",
    "us-east-2": "use2.us-gov-pure.cloud",
    "ca-central-1": "cac1.pure.cloud",
    "mx-central-1": "mxc1.pure.cloud",
    "sa-east-1": "sae1.pure.cloud",
    "eu-west-1": "mypurecloud.ie",
    "eu-west-2": "euw2.pure.cloud",
    "eu-central-1": "mypurecloud.de",
    "eu-central-2": "euc2.pure.cloud",
    "eusc-de-east-1": "edee1.eusc-pure.cloud",
    "me-central-1": "mec1.pure.cloud",
    "ap-south-1": "aps1.pure.cloud",
    "ap-southeast-1": "apse1.pure.cloud",
    "ap-southeast-2": "mypurecloud.com.au",
    "ap-northeast-1": "mypurecloud.jp",
    "ap-northeast-2": "apne2.pure.cloud",
    "ap-northeast-3": "apne3.pure.cloud",
}
"""Genesys Cloud's regions: AWS name -> domain, as its SDKs list them."""

_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
LOOPBACK = re.compile(rf"127(?:\.{_BYTE}){{3}}|localhost|::1")
PLACE = re.compile(r"(?:[^:\[\]]+|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
"""Host and port as nobody can read them in two ways."""


def checked_url(url: str, origin: str, allowed: list[str]) -> str:
    """A base URL that credentials may go to: https on a known host, or http on loopback. Raises SettingsError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise SettingsError(f"{origin}: this is not a URL.", "Write https://api.HOST.") from None
    if "@" in parts.netloc:
        raise SettingsError(f"{origin}: the URL holds a user name or password.", "Write https://api.HOST alone.")
    shown = repr(masked(url))
    if not host or not url.isascii() or re.search(r"[?#\\\s\x00-\x20\x7f]", url) or not PLACE.fullmatch(parts.netloc):
        raise SettingsError(f"{origin}: {shown} is not a base URL.", "Write https://api.HOST, without anything else.")
    loopback = LOOPBACK.fullmatch(host) is not None
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise SettingsError(f"{origin}: {shown} is not https.", "http:// is accepted for a loopback address alone.")
    if port == 0:
        raise SettingsError(f"{origin}: {shown} has no port that can be called.", "Leave the port out.")
    domain = host.removeprefix("api.").removeprefix("login.")
    if not loopback and domain not in REGIONS.values() and host not in allowed and domain not in allowed:
        raise SettingsError(
            f"{origin}: {host} is not a Genesys Cloud region; credentials would go there.",
            f'If that is meant, allow it: IMPORTER_ALLOW_HOSTS={host}, or allow_hosts = ["{host}"] in importer.toml.',
        )
    return url.rstrip("/")


def may_fetch(url: str, api_url: str, allowed: list[str]) -> bool:
    """Whether a download that the API points to may be called, without credentials: https on a host of the API's own domain
    or on one that is allowed; loopback where the API itself is there.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    api = urlsplit(api_url).hostname or ""
    if "@" in parts.netloc or port == 0 or not PLACE.fullmatch(parts.netloc) or not url.isascii():
        return False
    if LOOPBACK.fullmatch(host):
        return LOOPBACK.fullmatch(api) is not None
    domain = api.removeprefix("api.")
    known = host.endswith("." + domain) or any(host == each or host.endswith("." + each) for each in allowed)
    return parts.scheme == "https" and known


def login_of(api_url: str) -> str:
    """The login host that follows from an API host; the same where it does not start with `api.`."""
    return re.sub(r"://api\.", "://login.", api_url, count=1, flags=re.IGNORECASE)


def masked(value: object) -> str:
    """A setting for screens and logs: what a URL may carry besides scheme, host and path (user, password, query) is hidden."""
    text = str(value)
    text = re.sub(r"(?s)^([a-zA-Z][a-zA-Z0-9+.-]*:(?://)?)?.*@", r"\1***@", text) if "@" in text else text
    return re.sub(r"(?s)(?<=[^?#])[?#].*", "?***", text) if re.match("[a-zA-Z]+:", text) else text
