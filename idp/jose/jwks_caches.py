"""The key sets behind many addresses, such as those of clients: each under the rules of one, all of them bounded."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from .errors import JoseError
from .jwks_cache import KeySetCache, in_loop
from .jwks_rules import CacheLimits, Fetched
from .public import PublicKey

# Brings the key set of an address, and how many bytes it takes.
FetchSet: TypeAlias = Callable[[str], Awaitable[tuple[Fetched, int]]]


class KeySetCaches:
    """For one event loop. ``clock`` gives unix seconds, ``patience`` is the most seconds a caller waits for a fetch.

    Past ``most`` sets or ``most_bytes`` of documents the ones longest unused are forgotten; past ``most_waiting``
    callers who wait for fetches, whoever would have to wait too is refused at once: whoever names slow addresses takes
    the places of others only so far.
    """

    def __init__(
        self,
        fetch: FetchSet,
        *,
        clock: Callable[[], float],
        limits: CacheLimits | None = None,
        patience: float = 6.0,
        most: int = 1000,
        most_bytes: int = 4 * 1024 * 1024,
        most_waiting: int = 16,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._limits = limits or CacheLimits()
        self._patience = patience
        self._most, self._most_bytes, self._most_waiting = most, most_bytes, most_waiting
        self._sets: OrderedDict[str, KeySetCache] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self.size = 0  # bytes of the documents whose keys are held
        self._waiting = 0

    def __len__(self) -> int:
        return len(self._sets)

    async def find(self, address: str, header: Mapping[str, Any], besides: PublicKey | None = None) -> PublicKey:
        """The key a token header means in the set at ``address``, never ``besides``.

        ``JoseError`` ``unknown_key``, ``keys_unavailable``, or ``busy`` where too many wait already.
        """
        cache = self._cache(address)
        if self._waiting >= self._most_waiting:
            key = cache.held(header, besides)
            if key is None:
                raise JoseError("busy", f"{self._waiting} requests wait for key sets already")
            return key
        self._waiting += 1  # who finds the key at hand is gone again before anybody else looks
        try:
            return await cache.find(header, besides)
        finally:
            self._waiting -= 1

    def _cache(self, address: str) -> KeySetCache:
        found = self._sets.get(address)
        if found is None:
            start = in_loop(lambda etag: self._brought(address))
            found = self._sets[address] = KeySetCache(
                start, clock=self._clock, limits=self._limits, patience=self._patience
            )
        self._sets.move_to_end(address)
        self._shrink()
        return found

    async def _brought(self, address: str) -> Fetched:
        fetched, size = await self._fetch(address)
        if address in self._sets:
            self.size += size - self._sizes.get(address, 0)
            self._sizes[address] = size
            self._shrink()
        return fetched

    def _shrink(self) -> None:
        # Never the newest: it is the one that somebody waits for.
        while len(self._sets) > 1 and (len(self._sets) > self._most or self.size > self._most_bytes):
            oldest, _ = self._sets.popitem(last=False)
            self.size -= self._sizes.pop(oldest, 0)
