"""Bytes over a real socket: what no well-behaved client library would send."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from idp.testing import RunningServer

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Heard:
    """All that came back: the bytes, whether the server closed, seconds it took."""

    data: bytes
    closed: bool
    seconds: float

    @property
    def statuses(self) -> list[int]:
        return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d\d\d) ", self.data)]

    @property
    def status(self) -> int:
        """Of the one answer. Fails where there are several: that is smuggling."""
        found = self.statuses
        assert len(found) <= 1, self.data[:2000]
        return found[0] if found else 0

    def header(self, name: str) -> bytes | None:
        found = re.search(rb"\r\n" + name.encode() + rb": ([^\r]*)\r\n", self.data, re.IGNORECASE)
        return found.group(1) if found else None


def port_of(server: RunningServer) -> int:
    return urlsplit(server.issuer).port or 0


def request(method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """A well-formed request, Content-Length included unless a header of yours speaks of the body."""
    given = {"Host": "localhost", **(headers or {})}
    named = {name.lower() for name in given}
    if body and not named & {"content-length", "transfer-encoding"}:
        given["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def form(target: str, body: bytes, **headers: str) -> bytes:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request("POST", target, {**kind, **named}, body)


def talk(
    server: RunningServer, *pieces: bytes | Iterable[bytes], seconds: float = 2.0, source: str = "127.0.0.1"
) -> Heard:
    """Send the pieces in order, then read until the server closes, an answer is whole, or time is up."""
    started = time.monotonic()
    with socket.socket() as connection:
        connection.bind((source, 0))
        connection.settimeout(seconds)
        connection.connect(("127.0.0.1", port_of(server)))
        with contextlib.suppress(OSError):  # it may hang up while we still speak
            for piece in _flat(pieces):
                connection.sendall(piece)
        data, closed = read(connection, seconds)
    return Heard(data, closed, time.monotonic() - started)


def read(connection: socket.socket, seconds: float = 2.0) -> tuple[bytes, bool]:
    """What there is to read, and whether the server closed. A whole answer is followed by a short look for a second."""
    data = b""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(min(left, 0.1) if _whole(data) else left)
        try:
            more = connection.recv(65_536)
        except TimeoutError:
            return data, False
        except OSError:
            return data, True
        if not more:
            return data, True
        data += more
    return data, False


def _flat(pieces: Iterable[bytes | Iterable[bytes]]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            yield from piece


def _whole(data: bytes) -> bool:
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return False
    length = _LENGTH.search(head + b"\r\n")
    return b"0\r\n\r\n" in body if length is None else len(body) >= int(length.group(1))
