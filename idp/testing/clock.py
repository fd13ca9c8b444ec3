"""A clock that stands still, or follows the real one, and moves when told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class MovingClock:
    """Unix seconds. Still at ``start``; or, given ``follow`` (such as ``time.time``), that far ahead of it."""

    def __init__(self, start: float = 1_800_000_000.0, *, follow: Callable[[], float] | None = None) -> None:
        self._base = 0.0 if follow else start
        self._follow = follow
        self._skew = 0.0

    def __call__(self) -> float:
        return self._base + self._skew + (self._follow() if self._follow else 0.0)

    def advance(self, seconds: float) -> None:
        """Move forward; never back, as a test of time must not undo what the server has seen."""
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        self._base += seconds

    @contextmanager
    def skewed(self, seconds: float) -> Iterator[None]:
        """Wrong by that much, fast or (negative) slow, until the block ends: time itself has not moved."""
        before, self._skew = self._skew, self._skew + seconds
        try:
            yield
        finally:
            self._skew = before
