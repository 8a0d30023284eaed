"""A TLS server on loopback that keeps every byte it could read, and refuses every log-in."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import trustme

REFUSAL = b'{"error": "invalid_client"}'
ANSWER = (
    b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
)


@dataclass
class Listener:
    """The server's address, and what it read after a handshake (or without TLS)."""

    port: int
    read: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        """The base URL."""
        return f"https://127.0.0.1:{self.port}"


@contextmanager
def listening(context: ssl.SSLContext | None) -> Iterator[Listener]:
    """A server of its own thread; without a context it speaks no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = Listener(server.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(server, context, found))
        thread.start()
        try:
            yield found
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(server: socket.socket, context: ssl.SSLContext | None, found: Listener) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        found.connections += 1
        connection.settimeout(10)
        with connection, suppress(OSError):  # a failed handshake is one
            with context.wrap_socket(connection, server_side=True) if context is not None else connection as spoken:
                found.read.append(_request(spoken))
                spoken.sendall(ANSWER % (len(REFUSAL), REFUSAL))


def _request(spoken: socket.socket) -> bytes:
    """What came up to the end of a form's body."""
    data = b""
    while b"\r\n\r\n" not in data or b"grant_type" not in data.partition(b"\r\n\r\n")[2]:
        piece = spoken.recv(65536)
        if not piece:
            break
        data += piece
        if data[:1] == b"\x16":  # a handshake that nobody here understands
            break
    return data


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """A server's side of TLS, as usual today."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
