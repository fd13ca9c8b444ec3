"""Documents fetched a moment ago, by address: kept for a bounded time and number, one fetch for everybody who waits.

A stranger may name an address any number of times: it is asked once in ``LEAST`` seconds by this process at most,
whatever it answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from idp.outbound import Answer, OutboundError

LEAST = 5.0  # seconds; also how long a failure is kept
USUAL = 60.0
MOST = 3600.0
_COUNT = 256

_DIRECTIVE = re.compile(r'(no-store|no-cache|max-age)\s*(?:=\s*"?(\d{1,10})"?)?', re.ASCII)


@dataclass(frozen=True, slots=True)
class _Entry:
    answer: asyncio.Future[Answer]
    mark: str
    at: float

    def serves(self, mark: str, now: float) -> bool:
        if not self.answer.done():
            return True
        age = now - self.at
        if not 0 <= age < MOST:
            return False
        return age < (LEAST if mark != self.mark or self.failed else freshness(self.answer.result().headers))

    @property
    def failed(self) -> bool:
        done = self.answer
        return done.cancelled() or done.exception() is not None or done.result().status != 200


class Kept:
    """What is kept in this process. Nothing here is secret or proved: whoever asks checks what it holds."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    async def get(self, url: str, mark: str, now: float, fetch: Callable[[], Awaitable[Answer]]) -> Answer:
        """The document at ``url``; another ``mark`` than before says that it changed. Raises OutboundError."""
        entry = self._entries.get(url)
        if entry is None or not entry.serves(mark, now):
            self._entries.pop(url, None)
            while len(self._entries) >= _COUNT:
                self._entries.pop(next(iter(self._entries)))
            entry = self._entries[url] = _Entry(asyncio.ensure_future(fetch()), mark, now)
        try:
            # Shielded: one who stops waiting does not end it for the others.
            return await asyncio.shield(entry.answer)
        except asyncio.CancelledError:
            if entry.answer.cancelled():
                raise OutboundError("the fetch was ended") from None
            raise


def freshness(headers: Mapping[str, str]) -> float:
    """Seconds, from Cache-Control (RFC 9111 5.2.2); names of headers in lower case."""
    said = {found[1]: float(found[2] or 0) for found in _DIRECTIVE.finditer(headers.get("cache-control", "").lower())}
    if "no-store" in said or "no-cache" in said:
        return LEAST
    return max(LEAST, min(said.get("max-age", USUAL), MOST))
