"""A client that is not in the way: HTTP/1.1 over plain asyncio streams, and requests whose last byte waits."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def query(self) -> dict[str, str]:
        """Of the address it sends the browser to."""
        return dict(parse_qsl(urlsplit(self.headers["location"]).query))


class Gone(Exception):
    """The server went away, or closed: whether it did what was asked is not known."""


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def get(path: str, query: Mapping[str, str] | None = None, /, **headers: str) -> bytes:
    target = path if not query else f"{path}?{urlencode(query)}"
    return _whole("GET", target, headers, b"")


def post(path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> bytes:
    body = urlencode(form).encode()
    return _whole("POST", path, {"Content-Type": FORM, "Content-Length": str(len(body)), **(headers or {})}, body)


def _whole(method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode() + body


class Wire:
    """One connection to 127.0.0.1, opened when first used and again after it was lost. One request at a time."""

    def __init__(self, port: int, *, seconds: float = 20.0) -> None:
        self.port = port
        self._seconds = seconds
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send and receive. Raises Gone."""
        await self.send(request)
        return await self.receive()

    async def send(self, data: bytes) -> None:
        try:
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
            self._writer.write(data)
        except OSError as error:
            self.close()
            raise Gone(str(error)) from error

    async def receive(self) -> Answer:
        if self._reader is None:
            raise Gone("not connected")
        try:
            async with asyncio.timeout(self._seconds):
                return await _answer(self._reader)
        except (OSError, EOFError) as error:  # a deadline passed is a TimeoutError, which is an OSError
            self.close()
            raise Gone(repr(error)) from error

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(head[0].split()[1]), headers, body)


async def together(wires: Sequence[Wire], request: bytes) -> list[Answer]:
    """The same request on every wire, the last bytes sent in one go once all the rest has arrived."""
    for wire in wires:
        await wire.send(request[:-1])
    for wire in wires:
        await wire.send(request[-1:])
    return list(await asyncio.gather(*(wire.receive() for wire in wires)))
