"""A refused operation, in the four parts every refusal has."""

from __future__ import annotations

from typing import Any

from idp.protocol.registration_parts import Flaw


class ControlError(Exception):
    """Nothing was changed, unless the parts say so; they are for the person at the command line."""

    def __init__(self, rule: str, *, received: str = "", expected: str = "", mend: str = "") -> None:
        super().__init__(f"{rule}: received {received or '-'}, expected {expected or '-'}; {mend}")
        self.rule = rule
        self.received = received
        self.expected = expected
        self.mend = mend

    def parts(self) -> dict[str, Any]:
        return {"rule": self.rule, "received": self.received, "expected": self.expected, "mend": self.mend}


def refusal(flaw: Flaw, entry: str = "") -> ControlError:
    """What keeps a client from being registered, as a refused operation; ``entry`` is its name where several are."""
    found = flaw.problem
    received = f"{found.received}, for client {entry}" if entry else found.received
    return ControlError(found.rule, received=received, expected=found.expected, mend=found.mend)
