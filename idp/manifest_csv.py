"""A CSV file of people: its header decides, every later line is one row."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from idp.config.problems import ConfigurationError, Problem, nearest, quoted
from idp.manifest_import import COLUMNS, Reader, Row, Unfit, placeholders

_HINTS = {"password": "import hashes: name the column password_hash, or --map password_hash=password if it holds them"}


def read_csv(
    path: Path, *, columns: Mapping[str, str], ignored: Collection[str], sub: str | None
) -> tuple[Reader, Iterator[Row | tuple[str, Unfit]]]:
    """The reader of the rows, and the rows: UTF-8, a byte-order mark is passed over; "," ";" or tab by the header.

    ``columns`` is our name -> the file's, where they differ. A row of the wrong length comes with its Unfit.
    Raises ConfigurationError for the header or an unreadable file, also while the rows are read.
    """
    header = next(_lines(path), None)
    if header is None:
        raise ConfigurationError([_problem(path, "a first line with column names", "an empty file", "write one")])
    names = header[1]
    chosen = dict(columns)
    taken = set(chosen.values())
    problems = []
    for name in names:
        if name in COLUMNS and name not in chosen and name not in taken and name not in ignored:
            chosen[name] = name
        elif name not in taken and name not in ignored and name not in placeholders(sub or ""):
            problems.append(_unknown(path, name))
    wanted = [*columns.values(), *placeholders(sub or ""), *(() if "username" in chosen else ("username",))]
    problems += [_absent(path, name, names) for name in dict.fromkeys(wanted) if name not in names]
    problems += [_twice(path, name) for name in dict.fromkeys(names) if names.count(name) > 1]
    if problems:
        raise ConfigurationError(problems)
    return Reader(columns=chosen, sub=sub), _rows(path, names)


def _rows(path: Path, names: list[str]) -> Iterator[Row | tuple[str, Unfit]]:
    lines = _lines(path)
    next(lines)
    for number, cells in lines:
        place = f"line {number}"
        if len(cells) != len(names):
            yield place, Unfit(f"it has {len(cells)} columns, the first line has {len(names)}")
        else:
            yield Row(place, dict(zip(names, cells, strict=True)))


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number of the line a row begins on, and its cells; empty lines are passed over."""
    try:
        # A byte that is no UTF-8 spoils its row only: it becomes a surrogate, which no cell may hold.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=first.count), strict=True)
            begins = 1
            for cells in reader:
                if cells:
                    yield begins, cells
                begins = reader.line_num + 1
    except OSError as error:
        raise ConfigurationError(
            [_problem(path, "the file is readable", error.strerror or "an error", "correct the path")]
        ) from None
    except csv.Error as error:
        raise ConfigurationError(
            [_problem(path, "a CSV file (RFC 4180)", f"{error}, in the row after line {begins - 1}", "mend the quotes")]
        ) from None


def _problem(path: Path, rule: str, received: str, mend: str, expected: str = "a UTF-8 CSV file") -> Problem:
    return Problem(rule=rule, received=received, expected=expected, mend=mend, where=str(path), line=1)


def _unknown(path: Path, name: str) -> Problem:
    guess = nearest(name, COLUMNS)
    mend = _HINTS.get(name) or f"--map {guess or 'OURS'}={name}, or leave it out with --ignore {name}"
    return _problem(path, "unknown column", quoted(name), mend, f"one of {', '.join(COLUMNS)}")


def _absent(path: Path, name: str, names: list[str]) -> Problem:
    return _problem(path, f"the column {name}", f"the columns {quoted(', '.join(names))}", "correct the first line")


def _twice(path: Path, name: str) -> Problem:
    return _problem(path, "each column once", f"{quoted(name)} twice", "rename one of them")
