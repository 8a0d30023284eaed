"""The offer: what may be opened to whom, and under which names."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import ClientConnectionError

from importer.core.errors import SettingsError, UsageError
from importer.settings import load
from importer.web.listener import bound
from importer.web.offer import Offer, offered
from importer.web.route import Role
from importer.web.urls import Urls
from tests.web import house


def offer(**settings: Any) -> Offer:
    """An offer of these settings."""
    return offered(load(settings), 0)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A certificate and its key."""
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    for blob in made.cert_chain_pems:
        blob.write_to_path(tmp_path / "cert.pem", append=True)
    return {"tls_cert": str(tmp_path / "cert.pem"), "tls_key": str(tmp_path / "key.pem")}


def test_offer_is_for_this_machine_by_default() -> None:
    """Without any setting the page listens on 127.0.0.1, for one person."""
    made = offer()
    assert (made.address, made.mode, made.tls, made.proxy) == ("127.0.0.1", "os", None, None)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.1", "192.168.1.5"])
@pytest.mark.parametrize("identity", ["os", "token"])
def test_offer_to_a_network_is_refused_without_protection(address: str, identity: str) -> None:
    """One-person mode never leaves this machine, and links do not without TLS; it is said what to add."""
    with pytest.raises(SettingsError) as told:
        offer(bind=address, identity=identity)
    assert told.value.exit_code == 2
    assert "--tls-cert" in told.value.fix


def test_offer_of_one_person_to_a_network_is_refused_with_tls_too(files: dict[str, str]) -> None:
    """A certificate does not make strangers one person."""
    with pytest.raises(SettingsError):
        offer(bind="0.0.0.0", identity="os", **files)


def test_offer_to_a_network_needs_links_and_tls_or_a_proxy(files: dict[str, str]) -> None:
    """Either is enough."""
    assert offer(bind="0.0.0.0", identity="token", public_url="https://tasks.example", **files).tls is not None
    assert offer(bind="10.0.0.1", identity="header", trusted="10.0.0.5").proxy is not None


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_offer_on_every_address_needs_a_name(address: str) -> None:
    """Nobody can ask for all addresses: without a public URL every Host would be refused, so it is said before."""
    with pytest.raises(SettingsError) as told:
        offer(bind=address, identity="header", trusted="10.0.0.5")
    assert "--public-url" in told.value.fix


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_offer_on_loopback_needs_nothing(address: str) -> None:
    """Every loopback address is this machine's own."""
    assert offer(bind=address).mode == "os"


@pytest.mark.parametrize(
    "wrong",
    [
        {"bind": "example.org"}, {"bind": "127.0.0.1:80"}, {"bind": ""}, {"identity": "password"}, {"identity": "header"},
        {"identity": "header", "trusted": "10.0.0.0/0"}, {"identity": "header", "trusted": "proxy"}, {"identity": "header", "trusted": "10.0.0.5/24"},
        {"identity": "header", "trusted": "10.0.0.5", "identity_header": "X User"}, {"identity": "header", "trusted": "10.0.0.5", "identity_header": ""},
        {"public_url": "http://tasks.example"}, {"public_url": "https://tasks.example/path"}, {"public_url": "https://user@tasks.example"},
        {"public_url": "tasks.example"}, {"public_url": "https://tasks.example?token=x"}, {"public_url": "https://tasks.example:0"},
        {"public_url": "javascript:alert(1)"}, {"tls_cert": "cert.pem"}, {"tls_key": "key.pem"}, {"session_idle": "soon"},
        {"tls_cert": "/nowhere/cert.pem", "tls_key": "/nowhere/key.pem"},
    ],
)  # fmt: skip
def test_offer_that_cannot_be_is_told(wrong: dict[str, str]) -> None:
    """Each wrong setting ends with exit code 2, and with what to give instead."""
    with pytest.raises(SettingsError) as told:
        offer(**wrong)
    assert told.value.fix


def test_offer_tells_files_that_are_no_certificate(tmp_path: Path, files: dict[str, str]) -> None:
    """A key that does not belong to the certificate, or text that is none, is told by name."""
    (tmp_path / "text").write_text("hello")
    with pytest.raises(SettingsError, match="do not make a certificate"):
        offer(tls_cert=str(tmp_path / "text"), tls_key=files["tls_key"])


async def test_page_speaks_tls(tmp_path: Path, files: dict[str, str]) -> None:
    """With a certificate of its own the page is https, its cookie is secure, and plain http gets nothing."""
    trusting = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
    async with house.opened(
        tmp_path / "state", identity="token", tls_cert=files["tls_cert"], tls_key=files["tls_key"]
    ) as page:
        assert page.base.startswith("https://")
        token = page.room.people.book.add("Ada", [Role.PREPARER], link=True)
        answer = await page.ask("GET", f"/login?token={token}", ssl=trusting)
        assert answer.status == 303
        assert answer.cookie.startswith("__Host-importer-")
        assert "Secure" in answer.headers["Set-Cookie"]
        with pytest.raises(ClientConnectionError):
            await page.session.get(page.base.replace("https:", "http:"))


@pytest.mark.parametrize(
    ("urls", "base", "host", "origin"),
    [
        (Urls("http", "127.0.0.1", 8765), "http://127.0.0.1:8765", "localhost:8765", "http://localhost:8765"),
        (Urls("http", "::1", 8765), "http://[::1]:8765", "[::1]:8765", "http://[::1]:8765"),
        (Urls("https", "10.0.0.1", 443), "https://10.0.0.1:443", "10.0.0.1", "https://10.0.0.1"),
        (Urls("http", "0.0.0.0", 80, "https://t.example"), "https://t.example", "t.example", "https://t.example"),
        (Urls("http", "::", 81, "https://t.example:8443"), "https://t.example:8443", "t.example:8443", "https://t.example:8443"),
        (Urls("http", "::", 81, "https://t.example:443"), "https://t.example:443", "t.example", "https://t.example"),
    ],
)  # fmt: skip
def test_urls_know_their_own_names(urls: Urls, base: str, host: str, origin: str) -> None:
    """Links begin with the public URL or the bound address; hosts and origins are as browsers send them."""
    assert urls.base == base
    assert host in urls.hosts
    assert origin in urls.origins
    assert "evil.test" not in urls.hosts


def test_urls_of_all_addresses_are_no_name() -> None:
    """0.0.0.0 is where a server listens, not a name that it has."""
    assert not any("0.0.0.0" in host for host in Urls("http", "0.0.0.0", 80).hosts)


def test_offer_on_another_machines_address_is_told() -> None:
    """An address that this machine does not have is named; another port would not help."""
    with pytest.raises(UsageError, match=r"192\.0\.2\.1 is no address of this machine"):
        bound("192.0.2.1", 0)
