"""One connection with the server, held by hand: requests in pieces, answers as they come."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from topology_nodes import HOST


@dataclass(frozen=True)
class Heard:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Wire:
    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket = tls.wrap_socket(plain, server_hostname=HOST) if tls else plain

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hear(self, method: str = "GET") -> Heard:
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return Heard(response.status, response.headers, response.read())

    def ask(self, path: str, method: str = "GET", **headers: str) -> Heard:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.send(f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n".encode())
        return self.hear(method)

    @property
    def certificate(self) -> bytes:
        assert isinstance(self.socket, ssl.SSLSocket)
        return self.socket.getpeercert(binary_form=True) or b""


@contextlib.contextmanager
def wire(port: int, tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    found = Wire(port, tls)
    try:
        yield found
    finally:
        found.socket.close()


def refused(port: int) -> bool:
    """Nobody listens there any more."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
    except OSError:
        return True
    return False
