"""How the findings of a diagnosis look: green lines, and red ones with what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click

from idp.cli import say
from idp.diagnosis.finding import Finding

_SIGNS = {"good": ("ok  ", "green"), "bad": ("FAIL", "red"), "note": ("note", "yellow")}


def show(findings: Iterable[Finding]) -> None:
    """One line for what is well, up to four for what is not."""
    for found in findings:
        sign, colour = _SIGNS[found.state]
        say.line(f"{click.style(sign, fg=colour)}  {found.check:<12}  {say.printable(found.said)}")
        for name, text in (("received", found.received), ("expected", found.expected), ("mend", found.mend)):
            if text and found.state != "good":
                say.line(f"      {name:<9} {say.printable(text)}")


def as_json(findings: Sequence[Finding], **members: Any) -> None:
    say.line(json.dumps({**members, "findings": [found.members() for found in findings]}, indent=2))
