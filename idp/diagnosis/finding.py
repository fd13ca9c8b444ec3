"""One line of a diagnosis: what was looked at, how it stands, and what to do where it is not well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["good", "bad", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``check`` is a name that stays, ``said`` a sentence. A ``note`` could not be looked at, or is worth knowing.

    ``received``, ``expected`` and ``mend`` are texts, empty where there is nothing to say.
    """

    check: str
    state: State
    said: str
    received: str = ""
    expected: str = ""
    mend: str = ""

    def members(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def good(check: str, said: str) -> Finding:
    return Finding(check, "good", said)


def bad(check: str, said: str, *, received: str = "", expected: str = "", mend: str) -> Finding:
    """Nothing is called bad without the way to mend it."""
    return Finding(check, "bad", said, received, expected, mend)


def note(check: str, said: str, *, mend: str = "") -> Finding:
    return Finding(check, "note", said, mend=mend)


def is_bad(findings: Iterable[Finding]) -> bool:
    return any(found.state == "bad" for found in findings)
