"""The pages say what is: computed parts are current, links lead somewhere, commands and names exist."""

from __future__ import annotations

import re
import runpy
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from doc_blocks import ROOT, blocks

from idp.cli.group import commands
from idp.settings import RESERVED_VARIABLES
from idp.settings_described import describe
from idp.store.audit import EVENTS

SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "docs.py"))
DOCS = sorted((ROOT / "docs").glob("*.md"))
_OTHERS = ("*.md", "*/README.md", "examples/*/README.md", "conformance/RESULTS.md")
PAGES = [*DOCS, *sorted(path for pattern in _OTHERS for path in ROOT.glob(pattern))]
_LINK = re.compile(r"`[^`\n]*`|\[[^\]]*\]\(([^)\s]+)\)")  # what looks like one in code is none
_CODE = re.compile(r"`([^`\n]+)`")
_SUFFIXES = ("html", "js", "json", "md", "py", "toml")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_what_comes_from_the_code_is_current(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert SCRIPT["filled"](text) == text, f"{name_of(path)} is behind the code: run scripts/docs.py"


def test_every_part_stands_in_one_page() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DOCS)
    assert Counter(re.findall("<!-- from the code: ([a-z]+) -->", text)) == Counter([*SCRIPT["PARTS"]])


def test_a_page_that_fell_behind_is_seen() -> None:
    old = "before\n<!-- from the code: events -->\n\nold\n\n<!-- end of events -->\nafter"
    fresh: str = SCRIPT["filled"](old)
    assert fresh.startswith("before\n<!-- from the code: events -->\n\n| event | meaning |")
    assert fresh.endswith("|\n\n<!-- end of events -->\nafter")
    assert all(f"`{event}`" in fresh for event in EVENTS)


def anchors(page: Path) -> set[str]:
    """A heading's anchor as repository viewers make it: lower case, spaces as dashes, other marks gone."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for target in filter(None, _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8")))):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        goal = (path.parent / place).resolve() if place else path
        assert goal.exists(), f"{name_of(path)} links to {target}"
        if anchor:
            assert anchor in anchors(goal), f"{name_of(path)} links to {target}, {name_of(goal)} has no such heading"


def typed_commands(page: str) -> Iterator[str]:
    """``idp ...`` as it stands in code, in a block or in a line."""
    code = [line for block in blocks(page) for line in block.lines if block.language in ("sh", "text")]
    code += _CODE.findall(_FENCE.sub("", page))
    for line in code:
        yield from re.findall(r"(?:^|[(`]|\bnext +)(idp [a-z-][^`)|>]*)", line.strip())


def unknown_in(line: str) -> str | None:
    """The first word of a command line that ``idp`` would not understand."""
    command: click.Command = commands
    for word in shlex.split(line.split(" #")[0].replace("$(", ""))[1:]:
        if word.startswith("-"):
            options = [param for node in (commands, command) for param in node.params]
            known = {name for option in options for name in (*option.opts, *option.secondary_opts)}
            if word.split("=")[0] not in known | {"--help", "-h"}:
                return word
        elif isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return word
            command = found
    return None


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_commands_exist(path: Path) -> None:
    for line in typed_commands(path.read_text(encoding="utf-8")):
        unknown = unknown_in(line)
        assert unknown is None, f"{name_of(path)}: {line!r} has {unknown!r}"


@pytest.mark.parametrize("line", ["idp rotate", "idp keys spin", "idp token alice --time 5", "idp serve --demo"])
def test_a_command_that_does_not_exist_is_seen(line: str) -> None:
    assert unknown_in(line)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_names_of_settings_and_events_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    known = {row.name for row in describe()} | set(EVENTS)
    groups = {name.split(".")[0] for name in known if "." in name}
    for word in _CODE.findall(_FENCE.sub("", text)):
        group, _, name = word.partition(".")
        if group in groups and re.fullmatch("[a-z_]+", name) and name not in _SUFFIXES:
            assert word in known, f"{name_of(path)}: {word}"
    variables = {row.variable for row in describe()} | {*RESERVED_VARIABLES}
    assert set(re.findall(r"\bIDP_[A-Z_]+\b", text)) <= variables


def test_the_architecture_page_knows_every_part_and_their_order() -> None:
    text = " ".join((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split())
    order = runpy.run_path(str(ROOT / "tests" / "test_shape.py"))["ORDER"]
    assert ", ".join(f"`{part}`" for part in order) in text
    parts = {path.stem.split("_")[0] for path in (ROOT / "idp").iterdir() if path.suffix in ("", ".py")} - {""}
    assert not [part for part in parts if f"`idp/{part}`" not in text and f"`idp/{part}.py`" not in text]
