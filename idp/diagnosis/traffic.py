"""Requests as a resource server gets them, a hundred a second: tokens of all ages, keys cached as anybody does."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

from idp.jose import read_unverified
from idp.verify import Refused, Verifier

RATE = 100  # requests a second
_MOST = 600  # tokens in use
_SLICE = 0.05  # seconds


@dataclass(frozen=True, slots=True)
class Held:
    text: str
    kid: str
    expires_at: float


@dataclass(slots=True)
class Traffic:
    """``issue`` gets a new token, ``clock`` gives Unix seconds, ``monotonic`` seconds that never go back.

    ``failures`` counts what was refused, and tokens that could not be had; ``why`` keeps the newest reasons.
    """

    verifier: Verifier
    url: str
    issue: Callable[[], Awaitable[str]]
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    verified: int = 0
    failures: int = 0
    by_kid: Counter[str] = field(default_factory=Counter)
    why: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    _tokens: deque[Held] = field(default_factory=lambda: deque(maxlen=_MOST))

    async def renew(self) -> None:
        """One more token; the old ones stay in use until they expire."""
        try:
            text = await self.issue()
            parts = read_unverified(text)
        except Exception as error:
            self._failed(f"no token: {error}")
            return
        self._tokens.append(Held(text, str(parts.header.get("kid", "")), float(parts.claims["exp"])))

    async def run(self) -> None:
        """Send requests until cancelled, evenly: every second ``RATE`` of them, over all tokens in turn."""
        start = self.monotonic()
        turn = count()
        for sent in count():
            if self.monotonic() < start + sent / RATE:
                await asyncio.sleep(_SLICE)
            if sent % 10 == 0:
                await asyncio.sleep(0)  # what else there is to do comes first, however late we are
            held = self._next(next(turn))
            if held is not None:
                await self._send(held)

    def _next(self, turn: int) -> Held | None:
        now = self.clock()
        while self._tokens and self._tokens[0].expires_at <= now + 1:
            self._tokens.popleft()
        # The newest has every second turn: it is the one that carries a new key.
        if not self._tokens:
            return None
        return self._tokens[-1] if turn % 2 else self._tokens[turn // 2 % len(self._tokens)]

    async def _send(self, held: Held) -> None:
        try:
            await self.verifier.verify_request("GET", self.url, {"Authorization": f"Bearer {held.text}"})
        except Refused as refused:
            self._failed(str(refused))
            return
        self.verified += 1
        self.by_kid[held.kid] += 1

    def _failed(self, why: str) -> None:
        self.failures += 1
        self.why.append(why)
