"""Clients that take a 503 at its word: nothing has changed, so the same request, sent again, must do what it says.

Codes count once and refresh runs with grace 0, so whatever a refusal did by half shows as a 400 afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fault_house import COOKIE, OFFLINE, PROOF, redemption, refreshing
from fault_wire import Answer, Gone, Wire, get, post

JWKS, DISCOVERY = get("/.well-known/jwks.json"), get("/.well-known/openid-configuration")
AGAIN_SECONDS = 0.02


@dataclass
class Crowd:
    """``lanes`` app users and one verifier. ``wrong`` holds every answer that was neither done nor 503."""

    port: int
    cookie: str
    lanes: int = 4
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_refusal: float = 0.0
    slowest_document: float = 0.0
    documents: int = 0
    done: int = 0
    unclear: int = 0  # done after all, though told 503: only where a connection to the database can be lost
    _over: bool = False

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Crowd]:
        work = [self._user() for _ in range(self.lanes)] + [self._verifier()]
        tasks = [asyncio.create_task(each) for each in work]
        try:
            yield self
            self._over = True
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def progress(self, count: int, seconds: float) -> float:
        """Wait until ``count`` more requests are done; how long that took. Raises AssertionError if it takes longer."""
        began, before = time.monotonic(), self.done
        while self.done < before + count:
            if time.monotonic() - began > seconds:
                raise AssertionError(f"{self.done - before} of {count} requests done in {seconds} s: {self.told()}")
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    async def refused(self, count: int, seconds: float = 10.0) -> None:
        """Wait until ``count`` more requests were refused."""
        deadline, before = time.monotonic() + seconds, self.statuses[503]
        while self.statuses[503] < before + count:
            assert time.monotonic() < deadline, self.told()
            await asyncio.sleep(0.01)

    def told(self) -> str:
        return (
            f"{self.done} done, answers {dict(self.statuses)}, slowest refusal {self.slowest_refusal:.2f} s, "
            f"{self.documents} documents, slowest {self.slowest_document:.3f} s, unclear {self.unclear}, "
            f"wrong {self.wrong[:3]}"
        )

    async def _user(self) -> None:
        wire = Wire(self.port)
        asking = get("/authorize", OFFLINE, Cookie=f"{COOKIE}={self.cookie}")
        while not self._over:
            answer = await self._insist(wire, asking, 303)
            if answer is None:
                continue
            tokens = await self._insist(wire, redemption(answer.query["code"]), 200)
            for _ in range(3):
                if tokens is not None:
                    tokens = await self._insist(wire, refreshing(tokens.json()["refresh_token"]), 200)
            if tokens is not None:
                await self._insist(wire, post("/revoke", {"token": tokens.json()["refresh_token"]}, PROOF), 200)
        wire.close()

    async def _insist(self, wire: Wire, request: bytes, good: int) -> Answer | None:
        refused = False
        while True:
            began = time.monotonic()
            try:
                answer = await wire.ask(request)
            except Gone as gone:
                self.wrong.append(f"hung up: {gone}")
                return None
            self.statuses[answer.status] += 1
            if answer.status == good:
                self.done += 1
                return answer
            if answer.status == 503 and int(answer.headers.get("retry-after", "0")) >= 1:
                refused = True
                self.slowest_refusal = max(self.slowest_refusal, time.monotonic() - began)
                await asyncio.sleep(AGAIN_SECONDS)
            elif answer.status == 400 and refused:
                self.unclear += 1
                return None
            else:
                self.wrong.append(f"{answer.status} {answer.headers} {answer.body[:200]!r}")
                return None

    async def _verifier(self) -> None:
        """JWKS and discovery, again and again: they stay up whatever happens to the database."""
        wire = Wire(self.port)
        while not self._over:
            for document in (JWKS, DISCOVERY):
                began = time.monotonic()
                answer = await wire.ask(document)
                self.slowest_document = max(self.slowest_document, time.monotonic() - began)
                self.documents += 1
                if answer.status != 200:
                    self.wrong.append(f"a document: {answer.status}")
            await asyncio.sleep(0.01)
        wire.close()
