"""A leaky bucket as arithmetic: so many tries fit, and it empties evenly over its window."""

from __future__ import annotations

import msgspec

# Tenths do not add up to one in binary; the smallest try is a thousand times this.
ROOM = 1.0 + 1e-9


class Limit(msgspec.Struct, frozen=True):
    """``capacity`` tries at once; full, it takes one more every ``window / capacity`` seconds."""

    capacity: int
    window: float

    @property
    def cost(self) -> float:
        """What one try fills, as a part of the whole bucket."""
        return 1.0 / self.capacity

    def level(self, level: float, at: float, now: float) -> float:
        """How full it is now, after it was ``level`` full (0 to 1) at ``at``. A clock gone back empties nothing."""
        return max(0.0, level - max(0.0, now - at) / self.window)

    def wait(self, level: float) -> float:
        """Seconds until one more try fits, 0 where it fits now."""
        over = level + self.cost - ROOM
        return over * self.window if over > 0 else 0.0
