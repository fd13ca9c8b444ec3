"""Every server the bench knows, by name, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ours import ours
from targets import Target, bare, node

LAUNCH: dict[str, Callable[[Path, int], Target]] = {
    "node": node,
    "bare": bare,
    "idp-full": ours("FULL"),
    "idp-normal": ours("NORMAL"),
}
