"""Where values stand: a refusal that names the wrong line sends people to the wrong place."""

from __future__ import annotations

from pathlib import Path

import pytest

from idp.config.problems import ConfigurationError
from idp.config.toml_source import TomlSource, read_toml

TEXT = '''\
# a comment with = and [brackets]
plain = 1
"quoted key" = "a # no comment"  # a comment
dotted.inner.name = true

[table] # after a header
text = """
three
lines"""
list = [ # in a list
  "one", 'two # still two',
  # between
  { name = "three", deep = [1,
    2] },
]
raw = \'\'\'
it\'s'\'\'\'
quotes = """ends with two"""""

[table.inner]
moment = 1979-05-27 07:32:00
[[rows]]
name = "first"
[[rows]]

name = "second"
[rows.below]
value = 1
[[rows.items]]
n = 1
[[rows.items]]
n = 2
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("plain",), 2),
        (("quoted key",), 3),
        (("dotted", "inner", "name"), 4),
        (("table",), 6),
        (("table", "text"), 7),
        (("table", "list"), 10),
        (("table", "list", 0), 11),
        (("table", "list", 1), 11),
        (("table", "list", 2), 13),
        (("table", "list", 2, "deep"), 13),
        (("table", "list", 2, "deep", 1), 14),
        (("table", "raw"), 16),
        (("table", "quotes"), 18),
        (("table", "inner", "moment"), 21),
        (("rows", 0, "name"), 23),
        (("rows", 1, "name"), 26),
        (("rows", 1, "below", "value"), 28),
        (("rows", 1, "items", 0, "n"), 30),
        (("rows", 1, "items", 1, "n"), 32),
        (("rows", 1, "absent"), 24),
        (("absent",), None),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_value_has_its_line(place: tuple[str | int, ...], line: int | None, end: str) -> None:
    source = TomlSource(TEXT.replace("\n", end), "file")
    assert source.line(place) == line


def test_every_written_value_is_found() -> None:
    """Whatever the parser sees, the walk has seen: a place that is missing falls back to its table's line."""
    source = TomlSource(TEXT, "file")

    def walk(value: object, place: tuple[str | int, ...]) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, (*place, name))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, (*place, index))
        else:
            assert place in source._lines

    walk(source.tables, ())


def test_a_file_that_is_no_toml_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("good = 1\nbad = = 2\n")
    with pytest.raises(ConfigurationError) as refused:
        read_toml(path)
    [problem] = refused.value.problems
    assert problem.line == 2
    assert "column 7" in problem.mend


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = 1\n" * 1_000_000], ids=["not UTF-8", "too large"])
def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        read_toml(path)
    assert len(refused.value.problems) == 1


def test_deep_nesting_is_refused_and_does_not_break_the_stack(tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text("a = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(ConfigurationError):
        read_toml(path)
