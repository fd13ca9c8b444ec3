"""What a command itself refuses, in the four parts every refusal has."""

from __future__ import annotations


class Trouble(Exception):
    """``status`` is the exit status: 1 the answer is no, 2 the command was not understood."""

    def __init__(self, rule: str, *, received: str = "", expected: str = "", mend: str = "", status: int = 1):
        super().__init__(rule)
        self.rule = rule
        self.received = received
        self.expected = expected
        self.mend = mend
        self.status = status
