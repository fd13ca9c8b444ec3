"""What the tests of the diagnosing commands share: a command's outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Said(NamedTuple):
    status: int
    out: str
    err: str


Idp = Callable[..., Said]
