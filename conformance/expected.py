"""The list of what a module may answer instead of PASSED, with reasons."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "expected_skips.toml"
SOUND = ("PASSED", "REVIEW")  # REVIEW: passed, and a person may look at the screenshot


@dataclass(frozen=True, slots=True)
class Expected:
    module: str
    result: str
    plans: tuple[str, ...]
    reason: str
    condition: str = ""  # of a warning: the suite's class that gives it

    def fits(self, plan: str, module: str) -> bool:
        return self.module == module and ("*" in self.plans or plan in self.plans)


def read(file: Path = FILE) -> tuple[Expected, ...]:
    """Raises ValueError for a line without a reason."""
    found = []
    for row in tomllib.loads(file.read_text(encoding="utf-8")).get("expected", []):
        one = Expected(**{**row, "plans": tuple(row["plans"])})
        if len(one.reason.split()) < 3 or one.result not in ("SKIPPED", "WARNING"):
            raise ValueError(f"{one.module}: a result that may be expected, with its reason in words")
        if one.result == "WARNING" and not one.condition:
            raise ValueError(f"{one.module}: a warning is expected of one condition")
        found.append(one)
    return tuple(found)


def verdict(plan: str, module: str, result: str, complaints: tuple[str, ...], rows: tuple[Expected, ...]) -> str:
    """Why this result is not good, or an empty text."""
    row = next((one for one in rows if one.fits(plan, module)), None)
    if result in SOUND:
        return f"is listed as {row.result} and was {result}: take the line out" if row else ""
    if row is None or row.result != result:
        return f"{result}, not expected"
    if result == "WARNING":
        others = [text for text in complaints if row.condition not in text]
        return f"{result} of another condition: {'; '.join(others)}" if others else ""
    return ""
