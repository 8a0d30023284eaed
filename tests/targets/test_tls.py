"""Credentials go over verified TLS alone: what is not trusted gets no byte of them."""

import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from aiohttp import web

import importer
from importer.core.errors import NotAuthorised, SettingsError, TargetDown
from importer.sandbox.clock import HandClock
from importer.settings import DEFAULTS
from importer.targets.exchange import Credentials, Endpoints, Exchange
from importer.targets.transport import HttpTransport, Timeouts, trusting
from tests.flow.conftest import FreePace
from tests.targets.conftest import SECRET, ForwardClock, Stands
from tests.tls import Listener, listening, server_context

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
HERE = "127.0.0.1"
ago = datetime.now(UTC) - timedelta(days=2)
TOO_OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of our own."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    """Its certificate as a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


async def log_in(server: Listener, trust: ssl.SSLContext | None) -> None:
    """Tries to log in there."""
    clock = ForwardClock(HandClock())
    transport = HttpTransport(Timeouts(10.0, 10.0), trust)
    exchange = Exchange(Endpoints(server.url, server.url), Credentials("me", SECRET), FreePace(clock), clock, transport)
    try:
        await exchange.log_in(())
    finally:
        await exchange.close()


def old_server(authority: trustme.CA, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A server that speaks TLS 1.0 or 1.1 and nothing newer."""
    context = server_context(authority.issue_cert(HERE))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


def servers(authority: trustme.CA) -> Iterator[tuple[str, ssl.SSLContext | None]]:
    """Servers that are not to be trusted, by what is wrong with them."""
    yield "expired", server_context(authority.issue_cert(HERE, not_before=ago, not_after=ago + timedelta(days=1)))
    yield (
        "not yet valid",
        server_context(
            authority.issue_cert(HERE, not_before=ago + timedelta(days=90), not_after=ago + timedelta(days=99))
        ),
    )
    yield "wrong name", server_context(authority.issue_cert("api.mypurecloud.com"))
    yield "name in the common name alone", server_context(authority.issue_cert("other.test", common_name=HERE))
    yield "wildcard that does not fit", server_context(authority.issue_cert("*.0.0.1"))
    yield "another authority", server_context(trustme.CA().issue_cert(HERE))
    yield "TLS 1.0", old_server(authority, ssl.TLSVersion.TLSv1)
    yield "TLS 1.1", old_server(authority, ssl.TLSVersion.TLSv1_1)
    yield "no TLS at all", None


CASES = (
    "expired", "not yet valid", "wrong name", "name in the common name alone", "wildcard that does not fit",
    "another authority", "TLS 1.0", "TLS 1.1", "no TLS at all",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_tls_server_that_is_not_trusted_gets_no_credentials(
    authority: trustme.CA, ca_file: Path, case: str
) -> None:
    """The log-in ends at once with 7, a reason and a fix; the server has read nothing that a request is made of."""
    with listening(dict(servers(authority))[case]) as server:
        with pytest.raises(TargetDown) as told:
            await log_in(server, trusting(ca_file))
        assert server.connections == 1  # not tried again: it would be no different
    assert told.value.exit_code == 7
    assert "no trusted connection to 127.0.0.1" in str(told.value)
    assert "IMPORTER_CA_FILE" in told.value.fix
    read = b"".join(server.read)
    assert not [word for word in (b"POST", b"Authorization", SECRET.encode(), _basic()) if word in read]


def _basic() -> bytes:
    return b64encode(f"me:{SECRET}".encode())


@pytest.mark.parametrize("trust", [None, trusting()])
async def test_tls_certificate_of_an_unknown_authority_is_refused_by_default(
    authority: trustme.CA, trust: ssl.SSLContext | None
) -> None:
    """Without a setting the system's authorities count, and ours is none of them: self-signed is not trusted."""
    with listening(server_context(authority.issue_cert(HERE))) as server:
        with pytest.raises(TargetDown, match="no trusted connection"):
            await log_in(server, trust)
    assert server.read == []


async def test_tls_own_authority_is_trusted_where_it_is_named(authority: trustme.CA, ca_file: Path) -> None:
    """With ca_file the same server is trusted: it gets the credentials (and refuses them)."""
    with listening(server_context(authority.issue_cert(HERE))) as server:
        with pytest.raises(NotAuthorised):
            await log_in(server, trusting(ca_file))
    assert _basic() in b"".join(server.read)


@pytest.mark.parametrize("version", TOO_OLD)
def test_tls_old_server_of_these_tests_can_be_spoken_to(
    authority: trustme.CA, ca_file: Path, version: ssl.TLSVersion
) -> None:
    """A client that allows old versions gets through, so that it is the version that is refused above."""
    lax = trusting(ca_file)
    lax.set_ciphers("DEFAULT:@SECLEVEL=0")
    lax.minimum_version = version
    with listening(old_server(authority, version)) as server:
        with socket.create_connection((HERE, server.port)) as plain, lax.wrap_socket(plain, server_hostname=HERE) as s:
            s.sendall(b"POST / HTTP/1.1\r\n\r\ngrant_type")
            assert s.recv(12) == b"HTTP/1.1 401"


def test_tls_keys_are_written_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSLKEYLOGFILE, by which a session can be read by others, is not heeded."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    assert trusting().keylog_filename is None
    assert not (tmp_path / "keys").exists()


def test_tls_has_no_switch() -> None:
    """No setting turns verification off, and no line of the product does."""
    assert not [name for name in DEFAULTS if re.search("verify|insecure|unsafe|skip|proxy", name)]
    lax = re.compile(r"CERT_NONE|CERT_OPTIONAL|check_hostname|_create_unverified|ssl=False|verify_mode|trust_env=True")
    folder = Path(importer.__file__).parent
    found = [(path.name, lax.findall(path.read_text("utf-8"))) for path in folder.rglob("*.py")]
    assert len(found) > 50
    assert [(name, words) for name, words in found if words] == []
    context = trusting()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_tls_proxy_variables_are_not_heeded(stands: Stands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls go to the target itself, whatever HTTP_PROXY, HTTPS_PROXY and ALL_PROXY say."""

    async def fine(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        return web.json_response({"entities": []})

    with listening(None) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with stands(fine) as stand:
            assert (await stand.exchange.get("/api/v2/tasks", needs="task:view")).status == 200
            assert len(stand.calls()) == 1
    assert proxy.connections == 0


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\x00\xff"])
def test_tls_ca_file_without_a_certificate_is_told(tmp_path: Path, content: bytes | None) -> None:
    """A ca_file that is missing or holds no certificate is a mistake in the settings, told with its origin."""
    from importer.settings import load
    from importer.wiring import trust

    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    settings = load({"ca_file": str(path)}, folder=tmp_path)
    with pytest.raises(SettingsError, match="--ca-file.*holds no certificates") as told:
        trust(settings)
    assert told.value.exit_code == 2
