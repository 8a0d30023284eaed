"""Urls: the names under which this server may be asked, and the one that links use."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from importer.core.errors import SettingsError
from importer.hosts import LOOPBACK, PLACE

LOCAL = ("127.0.0.1", "localhost", "[::1]")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the server listens, and what it is called outside. `base` never ends with a slash, and no URL has a token."""

    scheme: str  # of the socket itself: http, or https with a certificate of our own
    address: str  # bound, without brackets
    port: int
    public: str = ""  # --public-url

    @property
    def base(self) -> str:
        """What links begin with."""
        return self.public or f"{self.scheme}://{self._shown}:{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """Every Host header that is answered, in lower case."""
        names = [f"{name}:{self.port}" for name in self._names]
        if self.port == DEFAULT_PORTS[self.scheme]:
            names += self._names
        return frozenset({*names, *hosts_of(self.public)})

    @property
    def origins(self) -> frozenset[str]:
        """Every Origin that a form of ours comes from."""
        own = {f"{self.scheme}://{name}:{self.port}" for name in self._names}
        if self.port == DEFAULT_PORTS[self.scheme]:
            own |= {f"{self.scheme}://{name}" for name in self._names}
        return frozenset(own | ({_origin(self.public)} if self.public else set()))

    def is_local(self, host: str) -> bool:
        """Whether a Host header names this machine by a loopback name, over plain http."""
        name, _, port = host.rpartition(":")
        return self.scheme == "http" and (host in LOCAL or (name in LOCAL and port.isdigit()))

    @property
    def _names(self) -> list[str]:
        return list(dict.fromkeys((*LOCAL, *((self._shown,) if not ip_address(self.address).is_unspecified else ()))))

    @property
    def _shown(self) -> str:
        return f"[{self.address}]" if ":" in self.address else self.address


def hosts_of(url: str) -> set[str]:
    """The Host headers that browsers send for a URL."""
    if not url:
        return set()
    parts = urlsplit(url)
    place = parts.netloc.lower()
    name = place.rpartition(":")[0] if parts.port is not None else place
    default = DEFAULT_PORTS[parts.scheme]
    return {name, f"{name}:{default}"} if parts.port in (None, default) else {place}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.lower()
    if parts.port == DEFAULT_PORTS[parts.scheme]:
        place = place.rpartition(":")[0]
    return f"{parts.scheme}://{place}"


def checked_public(url: str) -> str:
    """A public URL: https, or http on loopback; without path, query, user name. Raises SettingsError."""
    text = url.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    fine = bool(host) and text.isascii() and PLACE.fullmatch(parts.netloc) is not None and port != 0 and "@" not in text
    if not fine or text != f"{parts.scheme}://{parts.netloc}":
        raise SettingsError(
            f"The public URL {url[:200]!r} is not one of a host alone.", "Write --public-url https://HOST[:PORT]."
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and LOOPBACK.fullmatch(host)):
        raise SettingsError(f"The public URL {text} is not https.", "http:// is accepted for a loopback address alone.")
    return text.lower()


def is_loopback(address: str) -> bool:
    """Whether an address to bind is this machine's own alone."""
    return LOOPBACK.fullmatch(address) is not None
