"""No attack of the catalogue is forgotten: each row has its test, or the reason why it has none."""

from __future__ import annotations

import re
from pathlib import Path

from not_applicable import ELSEWHERE, NOT_APPLICABLE
from rows import ROWS

HERE = Path(__file__).parent
_TEST = re.compile(r"^(?:async )?def test_([a-z]{2})_(\d\d)_", re.MULTILINE)


def rows_with_a_test() -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in HERE.glob("test_*.py"))
    return {f"{kind.upper()}-{number}" for text in texts for kind, number in _TEST.findall(text)}


def test_every_row_is_tested_or_has_its_reason() -> None:
    missing = [row for row in ROWS if row not in rows_with_a_test() | NOT_APPLICABLE.keys() | ELSEWHERE.keys()]
    assert not missing


def test_no_reason_outlives_its_test() -> None:
    assert not rows_with_a_test() & (NOT_APPLICABLE.keys() | ELSEWHERE.keys())


def test_nothing_is_named_after_a_row_that_is_not_there() -> None:
    assert not (rows_with_a_test() | NOT_APPLICABLE.keys() | ELSEWHERE.keys()) - set(ROWS)
    assert len(set(ROWS)) == len(ROWS)


def test_reasons_are_reasons_and_places_are_there() -> None:
    assert all(len(reason.split()) >= 3 or reason.startswith("no ") for reason in NOT_APPLICABLE.values())
    assert all((HERE.parent.parent / place).exists() for place in ELSEWHERE.values())
