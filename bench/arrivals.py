"""A crowd: requests that arrive at a rate whether or not the server keeps up, each on a connection that is free.

``Crowd`` opens a connection when none is free, up to a bound; what finds none is counted as held back, and said.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

_TICK = 0.002


@dataclass(slots=True)
class Seen:
    """What a run saw: answers by status, and how long each took (seconds), by status."""

    answers: Counter[int] = field(default_factory=Counter)
    taken: dict[int, list[float]] = field(default_factory=dict)
    held_back: int = 0
    lost: int = 0
    without_retry_after: int = 0
    seconds: float = 0.0

    def note(self, status: int, taken: float) -> None:
        self.answers[status] += 1
        self.taken.setdefault(status, []).append(taken)

    def quantile(self, status: int, share: float) -> float:
        """Milliseconds."""
        taken = sorted(self.taken.get(status, ()))
        return taken[min(len(taken) - 1, int(len(taken) * share))] * 1000 if taken else float("nan")


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, seen: Seen, done: Callable[[Connection], None], gone: Callable[[Connection], None]) -> None:
        self._seen, self._done, self._gone = seen, done, gone
        self._transport: asyncio.Transport | None = None
        self._heard = b""
        self._since: float | None = None
        self._request = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        if self._request:
            self._transport.write(self._request)  # type: ignore[union-attr]

    def ask(self, request: bytes) -> None:
        self._since, self._request = time.perf_counter(), request
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, found, body = self._heard.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        length = lower.partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length or 0):
            return
        status = int(head[9:12])
        if status == 503 and b"retry-after:" not in lower:
            self._seen.without_retry_after += 1
        self._heard, self._request = b"", b""
        if self._since is not None:
            self._seen.note(status, time.perf_counter() - self._since)
            self._since = None
        if b"connection: close" in lower:
            self.close()
        else:
            self._done(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self._since is not None:
            self._seen.lost += 1
        self._gone(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Crowd:
    """``most`` connections at a time to one address."""

    def __init__(self, host: str, port: int, request: bytes, most: int) -> None:
        self._host, self._port, self._request, self._most = host, port, request, most
        self.seen = Seen()
        self._free: list[Connection] = []
        self._open: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()

    async def arrive(self, rate: float, seconds: float) -> Seen:
        """``rate`` requests a second for ``seconds``, by the clock, however the server answers."""
        started, sent = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - started) < seconds:
            due = int(elapsed * rate)
            while sent < due:
                sent += 1
                self._send()
            await asyncio.sleep(_TICK)
        self.seen.seconds = time.perf_counter() - started
        await asyncio.sleep(1)  # what is still on its way
        await self.close()
        return self.seen

    async def keep_asking(self, connections: int, seconds: float) -> Seen:
        """Each of ``connections`` asks again as soon as it is answered: what the server can do at most."""
        started = time.perf_counter()
        running = True

        def again(connection: Connection) -> None:
            if running:
                connection.ask(self._request)

        for _ in range(connections):
            connection = Connection(self.seen, again, self._open.discard)
            self._open.add(connection)
            await asyncio.get_running_loop().create_connection(lambda c=connection: c, self._host, self._port)  # type: ignore[misc]
            connection.ask(self._request)
        await asyncio.sleep(seconds)
        running = False
        self.seen.seconds = time.perf_counter() - started
        await asyncio.sleep(0.2)
        await self.close()
        return self.seen

    def _send(self) -> None:
        while self._free:
            connection = self._free.pop()
            if connection in self._open:
                connection.ask(self._request)
                return
        if len(self._open) >= self._most:
            self.seen.held_back += 1
            return
        connection = Connection(self.seen, self._free.append, self._open.discard)
        self._open.add(connection)
        connection.ask(self._request)
        task = asyncio.create_task(self._connect(connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, connection: Connection) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection, self._host, self._port)
        except OSError:
            self.seen.lost += 1
            self._open.discard(connection)

    async def close(self) -> None:
        for connection in list(self._open):
            connection.close()
        await asyncio.sleep(0.1)
