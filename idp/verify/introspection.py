"""Opaque tokens: asking the issuer (RFC 7662), once for all who wait, and remembering the answer for a moment."""

import asyncio
import base64
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

from idp.jose.errors import JoseError, shown
from idp.jose.json import loads_strict

from .discovery import Metadata
from .fetch import FetchError, Post, post, target
from .refused import Refused
from .token_cache import Bounded, copied, token_name

_PATIENCE = 10.0  # seconds a caller waits for an answer
_WORKERS = 8  # questions under way at once, for callers in an event loop
_MOST_WAITING = 1000  # different tokens that wait for an answer
_REFUSED_FOR = 5.0  # seconds: an issuer of several nodes may know a new token a moment later


@dataclass(frozen=True, slots=True)
class Introspection:
    """How opaque tokens are asked about: by this API's own client at the issuer, which proves itself by HTTP Basic.

    ``client_id`` None sends no credentials. ``url`` None is what the issuer's metadata names. An active token's answer
    counts for ``cache`` seconds (0: none is kept) and no longer than the token; at most ``most`` are kept.
    ``audience_optional`` takes answers without any ``aud``; one that names others only is refused all the same.
    ``post`` replaces the built-in blocking POST.
    """

    client_id: str | None
    client_secret: str = field(default="", repr=False)
    url: str | None = None
    cache: float = 30
    most: int = 10_000
    audience_optional: bool = False
    post: Post | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.cache <= 3600 or not self.most >= 1:
            raise ValueError("introspection: cache must be 0 to 3600 seconds, most at least 1")
        try:
            target(self.url or "https://found.by.metadata.example")
        except FetchError as error:
            raise ValueError(f"introspection: {error}") from error


@dataclass(frozen=True, slots=True)
class _Answer:
    """``claims`` of an active token, None for another; ``trouble`` instead where the issuer did not say."""

    claims: Mapping[str, Any] | None = None
    trouble: str | None = None


class Introspector:
    """Asks, for threads and event loops at once. Raises ``Refused``: ``inactive`` or ``introspection_unavailable``."""

    def __init__(self, asked: Introspection, metadata: Metadata, clock: Callable[[], float]) -> None:
        self._asked = asked
        self._metadata = metadata
        self._clock = clock
        self._post = asked.post or post
        self._lock = threading.Lock()
        self._flights: dict[bytes, Future[_Answer]] = {}
        self._active: Bounded[tuple[_Answer, float]] = Bounded(asked.most)
        # Apart from the others: strangers' inventions must not push good answers out.
        self._inactive: Bounded[tuple[_Answer, float]] = Bounded(min(asked.most, 1000))
        self._workers: tuple[int, ThreadPoolExecutor] | None = None

    async def find(self, token: str) -> dict[str, Any]:
        """What the issuer says of an active token, a value of the caller's own."""
        name = _named(token)
        flight, mine = self._look(name)
        if mine:
            try:
                self._pool().submit(self._ask, name, token, flight)
            except RuntimeError as error:  # no thread to be had: whoever waits must hear of it
                self._land(name, flight, _Answer(trouble=str(error)))
        try:
            answer = await asyncio.wait_for(asyncio.wrap_future(flight), _PATIENCE)
        except TimeoutError:
            answer = _Answer(trouble="no answer in time")
        return _claims(answer)

    def find_blocking(self, token: str) -> dict[str, Any]:
        """``find`` for threads: who asks first asks itself, the others wait for its answer."""
        name = _named(token)
        flight, mine = self._look(name)
        if mine:
            self._ask(name, token, flight)
        try:
            answer = flight.result(_PATIENCE)
        except TimeoutError:
            answer = _Answer(trouble="no answer in time")
        return _claims(answer)

    def _look(self, name: bytes) -> "tuple[Future[_Answer], bool]":
        """An answer, there or to come, and whether the caller has to bring it."""
        with self._lock:
            held = self._held(name)
            flight = self._flights.get(name)
            if held is None and flight is not None:
                return flight, False
            flight = Future()
            flight.set_running_or_notify_cancel()  # no caller that goes away can cancel it now
            if held is not None:
                flight.set_result(held)
                return flight, False
            if len(self._flights) >= _MOST_WAITING:
                raise _unavailable(f"{_MOST_WAITING} tokens wait for an answer already")
            self._flights[name] = flight
            return flight, True

    def _held(self, name: bytes) -> _Answer | None:
        now = self._clock()
        for answers in (self._active, self._inactive):
            found = answers.get(name)
            if found is not None and now < found[1]:
                return found[0]
        return None

    def _ask(self, name: bytes, token: str, flight: "Future[_Answer]") -> None:
        try:
            answer = _Answer(self._said(token))
        except Exception as error:  # whatever it is, the waiting callers must hear of it
            answer = _Answer(trouble=shown(str(error) or type(error).__name__, 200))
        self._land(name, flight, answer)

    def _land(self, name: bytes, flight: "Future[_Answer]", answer: _Answer) -> None:
        with self._lock:
            self._flights.pop(name, None)
            now = self._clock()
            if answer.claims is not None and self._asked.cache:
                self._active.put(name, (answer, now + self._asked.cache))
            elif answer.trouble is None and self._asked.cache:
                self._inactive.put(name, (answer, now + min(self._asked.cache, _REFUSED_FOR)))
        flight.set_result(answer)

    def _said(self, token: str) -> Mapping[str, Any] | None:
        url = self._asked.url or self._metadata.endpoint("introspection_endpoint")
        form = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode({"token": token, "token_type_hint": "access_token"}).encode()
        answer = self._post(url, {**form, **_credentials(self._asked)}, body)
        if answer.status != 200:
            hint = " (does the issuer know this API's client?)" if answer.status in (400, 401, 403) else ""
            raise FetchError(f"{url} answered with status {answer.status}, expected 200{hint}")
        try:
            said = loads_strict(answer.body)
        except JoseError as error:
            raise FetchError(f"{url}: {error}") from error
        active = said.get("active") if isinstance(said, dict) else None
        if not isinstance(active, bool):
            raise FetchError(f"{url} did not say whether the token is active")
        return said if active else None

    def _pool(self) -> ThreadPoolExecutor:
        # A process that was forked has none of its parent's threads.
        with self._lock:
            if self._workers is None or self._workers[0] != os.getpid():
                self._workers = os.getpid(), ThreadPoolExecutor(_WORKERS, thread_name_prefix="idp-introspection")
            return self._workers[1]


def _credentials(asked: Introspection) -> dict[str, str]:
    """The header that proves this API's client (RFC 6749 section 2.3.1)."""
    if asked.client_id is None:
        return {}
    pair = f"{quote_plus(asked.client_id)}:{quote_plus(asked.client_secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _named(token: str) -> bytes:
    name = token_name(token)
    if name is None or not token.isprintable() or not token:
        raise Refused("malformed", "the token holds characters that no token has, or is too long")
    return name


def _claims(answer: _Answer) -> dict[str, Any]:
    if answer.trouble is not None:
        raise _unavailable(answer.trouble)
    if answer.claims is None:
        raise Refused("inactive", "its issuer says the token is not active: expired, revoked, or none of its own")
    return copied(answer.claims)


def _unavailable(why: str) -> Refused:
    return Refused("introspection_unavailable", f"the issuer could not be asked about the token: {why}")
