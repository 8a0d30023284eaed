"""Offer: how the page is offered, by whom it knows its visitors, and what that must not be."""

import ssl
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, cast

from importer.core.errors import SettingsError
from importer.settings import Settings
from importer.web.house import House
from importer.web.identity import MODES, Mode, Proxy
from importer.web.urls import Urls, checked_public, is_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN_CHARACTERS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""Of a header's name, by RFC 9110."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What `importer serve` was asked for, checked. Ports: 0 takes a free one."""

    port: int
    address: str
    mode: Mode
    proxy: Proxy | None
    public: str
    tls: ssl.SSLContext | None
    session_idle_s: float
    session_most_s: float
    house: House

    def urls(self, port: int) -> Urls:
        """The names of a server that listens on that port."""
        return Urls("https" if self.tls else "http", self.address, port, self.public)


def offered(settings: Settings, port: int) -> Offer:
    """The settings as an offer. Raises SettingsError: also for one that would let strangers in."""
    address = _address(settings)
    mode, tls = _mode(settings), _tls(settings)
    given = settings.given("public_url")
    public = checked_public(str(given)) if given else ""
    idle_s, most_s = settings.seconds("session_idle"), settings.seconds("session_most")
    if not is_loopback(address):
        _may_bind(address, mode, tls)
    if ip_address(address).is_unspecified and not public:
        raise SettingsError(
            f"--bind {address} is no name that anybody could ask for.", "Add --public-url https://HOST[:PORT]."
        )
    proxy = _proxy(settings) if mode == "header" else None
    return Offer(port, address, mode, proxy, public, tls, idle_s, most_s, House(read_only=settings.read_only))


def _may_bind(address: str, mode: Mode, tls: ssl.SSLContext | None) -> None:
    if mode == "header" or (mode == "token" and tls is not None):
        return
    missing = (
        "its links would cross the network unencrypted" if mode == "token" else "everybody there would be one person"
    )
    raise SettingsError(
        f"--bind {address} opens the page to the network, and {missing}.",
        "Add --identity token --tls-cert FILE --tls-key FILE, or --identity header behind a proxy that people log in to.",
    )


def _address(settings: Settings) -> str:
    value = settings.values["bind"]
    text = str(value.value).strip().strip("[]")
    try:
        return str(ip_address("127.0.0.1" if text == "localhost" else text))
    except ValueError:
        raise SettingsError(
            f"{value.origin}: {text[:100]!r} is not an address of this machine.",
            "Give an IP address such as 127.0.0.1.",
        ) from None


def _mode(settings: Settings) -> Mode:
    value = settings.values["identity"]
    if value.value not in MODES:
        raise SettingsError(
            f"{value.origin}: there is no identity {value.value!r}.", f"Use one of: {', '.join(MODES)}."
        )
    return cast("Mode", value.value)


def _proxy(settings: Settings) -> Proxy:
    header = settings.text("identity_header")
    if not header or not TOKEN_CHARACTERS.issuperset(header):
        raise SettingsError(f"{header[:100]!r} is not the name of a header.", "Give one such as X-Forwarded-User.")
    given: Sequence[str] = settings.names("trusted", "Give a list of addresses.")
    if not given:
        raise SettingsError(
            "It is not set which proxy is believed about who somebody is.",
            "Add --trusted ADDRESS, once for each proxy.",
        )
    try:
        trusted = tuple(ip_network(each) for each in given)
    except ValueError as problem:
        raise SettingsError(
            f"--trusted: {problem}.", "Give addresses or networks, such as 10.0.0.5 or 10.0.0.0/24."
        ) from None
    if any(each.prefixlen == 0 for each in trusted):
        raise SettingsError("--trusted names every address there is.", "Name the proxy's own address.")
    return Proxy(header, trusted)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """A certificate of our own. Raises SettingsError where the files do not make one."""
    names = [settings.given("tls_cert"), settings.given("tls_key")]
    if not any(names):
        return None
    if not all(names):
        raise SettingsError("A certificate and its key go together.", "Give both --tls-cert FILE and --tls-key FILE.")
    cert, key = (Path(str(name)).expanduser() for name in names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key, password=lambda: "")  # a key with a passphrase is told, not asked about
    except (OSError, ValueError) as problem:  # SSLError is an OSError
        reason = getattr(problem, "reason", None) or getattr(problem, "strerror", None) or str(problem)
        raise SettingsError(
            f"{cert} and {key} do not make a certificate: {reason}.",
            "Give both in PEM form, the certificate with its chain, the key without a passphrase.",
        ) from problem
    return context
