"""When a cached key set is used, renewed and trusted: rules alone, with the time as an argument.

The rules serve three ends: a valid token is never refused because of the cache, an issuer is never flooded by
it, and a key taken back stops counting soon.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Self

from .errors import JoseError
from .keyset import KeySet
from .public import PublicKey

_DIRECTIVE = re.compile(r'([a-z-]+)\s*(?:=\s*"?(\d{1,10})"?)?')

_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"')


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """All in seconds. What an issuer says about caching counts only within these bounds.

    ``cooldown``: least time between two fetches made for unknown key ids. ``default_age``: freshness where
    the issuer names none; ``uncached_age`` where it forbids caching. ``stale``: how long the keys serve on
    when they cannot be renewed, where the issuer names no stale-if-error; never under ``least_stale``.
    """

    cooldown: float = 30.0
    default_age: float = 300.0
    uncached_age: float = 30.0
    most_age: float = 86_400.0
    stale: float = 43_200.0
    least_stale: float = 3_600.0
    most_stale: float = 86_400.0
    first_retry: float = 1.0
    most_retry: float = 30.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought: ``keys`` is None where the issuer answered 304, "as you have it".

    ``date`` is the server's clock (RFC 9110 section 6.6.1) in unix seconds, None where it did not say.
    """

    keys: KeySet | None
    etag: str | None = None
    max_age: float | None = None
    stale_if_error: float | None = None
    date: float | None = None

    @classmethod
    def from_http(
        cls,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        preferred: Sequence[str] = (),
        *,
        read: Callable[[bytes], KeySet] | None = None,
    ) -> Self:
        """Read an HTTP answer (header names in lower case); ``JoseError`` where it is neither 200 nor 304.

        ``preferred`` as in ``PublicKey.from_jwk``; ``read`` instead of ``KeySet.from_json``.
        RFC 9111 sections 4.2 and 5.2.2 for the age, RFC 5861 section 4 for stale-if-error.
        """
        if status not in (200, 304):
            raise JoseError("keys_unavailable", f"the answer has status {status}, expected 200 or 304")
        keys = None if status != 200 else read(body) if read is not None else KeySet.from_json(body, preferred)
        cache = _directives(headers.get("cache-control", ""))
        date = _moment(headers.get("date"))
        max_age = cache.get("max-age")
        if max_age is None and "expires" in headers:
            max_age = _until(headers["expires"], date)
        if "no-store" in cache or "no-cache" in cache:
            max_age = 0.0
        age = headers.get("age", "").strip()
        waited = float(age[:10]) if age.isascii() and age.isdigit() else 0.0
        max_age = max(0.0, max_age - waited) if max_age else max_age
        # The date is that of the answer's making; what a cache between added to it is its age.
        date = None if date is None else date + waited
        return cls(keys, _etag(headers.get("etag")), max_age, cache.get("stale-if-error"), date)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a lookup found, whether a fetch is due, and whether the caller should wait for it."""

    key: PublicKey | None
    fetch: bool = False
    wait: bool = False


class KeySetRules:
    """The state of one cached key set. Not safe for threads by itself: the cache around it holds a lock."""

    def __init__(self, limits: CacheLimits) -> None:
        self.limits = limits
        self.keys: KeySet | None = None
        self.etag: str | None = None
        self.trouble: str | None = None
        self.skew: float | None = None
        self._failures = 0
        self._retry_at = float("-inf")
        self._attempt_at: float | None = None
        self._renewed_at = 0.0
        self._age = 0.0
        self._stale = 0.0

    def consider(self, header: Mapping[str, Any], now: float, besides: PublicKey | None = None) -> Decision:
        """Which key serves this header now, and what should be done about the set.

        ``besides`` is a key that was found and did not prove the signature: it counts as no key.
        """
        if self.keys is None or not self.usable(now):
            return Decision(None, fetch=now >= self._retry_at, wait=True)
        key = self.keys.select(header)
        if key is None or key == besides:
            return Decision(None, fetch=self._cooled(now), wait=True)
        passed = now - self._renewed_at
        # Renewed in the background from four fifths of its life on: under traffic nobody ever waits. A clock
        # that was set back makes the age unknown: renew.
        if (0 <= passed < 0.8 * self._age) or now < self._retry_at:
            return Decision(key)
        overdue = not 0 <= passed < self._age
        # Once a renewal failed the issuer is in trouble, and waiting for it again helps nobody.
        return Decision(key, fetch=True, wait=overdue and not self._failures)

    def usable(self, now: float) -> bool:
        """Whether there are keys, fresh or stale but still within what an outage allows."""
        return self.keys is not None and now - self._renewed_at < self._age + self._stale

    def began(self, now: float) -> None:
        """A fetch was started."""
        self._attempt_at = now

    def succeeded(self, fetched: Fetched, now: float) -> None:
        """A fetch brought an answer. A key that is gone from it is gone: that is how keys are taken back."""
        if fetched.keys is None and self.keys is None:
            self.failed("the answer has status 304 where no key set is held", now)
            return
        limits = self.limits
        if fetched.keys is not None:
            self.keys, self.etag = fetched.keys, fetched.etag
        age = limits.default_age if fetched.max_age is None else fetched.max_age
        self._age = min(age if age > 0 else limits.uncached_age, limits.most_age)
        stale = limits.stale if fetched.stale_if_error is None else fetched.stale_if_error
        self._stale = min(max(stale, limits.least_stale), limits.most_stale)
        self._renewed_at, self._retry_at = now, float("-inf")
        self._failures, self.trouble = 0, None
        self.skew = None if fetched.date is None else now - fetched.date

    def failed(self, why: str, now: float) -> None:
        """A fetch failed: the keys stay, the next try waits twice as long as the last one did."""
        wait = min(self.limits.first_retry * 2.0 ** min(self._failures, 16), self.limits.most_retry)
        self._failures += 1
        self._retry_at, self.trouble = now + wait, why

    def _cooled(self, now: float) -> bool:
        return self._attempt_at is None or not 0 <= now - self._attempt_at < self.limits.cooldown


def _etag(text: str | None) -> str | None:
    # It is sent back as a header: nothing but what RFC 9110 section 8.8.3 lets it be, and not without end.
    return text if text is not None and _ETAG.fullmatch(text) else None


def _moment(text: str | None) -> float | None:
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def _until(expires: str, date: float | None) -> float | None:
    """RFC 9111 section 5.3: counted from the server's own Date; what is no date, such as 0, is over."""
    end = _moment(expires)
    if end is None:
        return 0.0
    return None if date is None else max(0.0, end - date)


def _directives(text: str) -> dict[str, float]:
    return {match[1]: float(match[2] or 0) for match in _DIRECTIVE.finditer(text.lower())}
