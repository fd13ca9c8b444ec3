"""Times as JWTs write them."""

from __future__ import annotations

import math
from typing import TypeGuard


def is_time(value: object) -> TypeGuard[float]:
    """A NumericDate (RFC 7519 2): a finite number, and ``true`` is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
