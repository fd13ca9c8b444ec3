#!/usr/bin/env python
"""Fill in what the pages of docs/ have from the code: settings, events, routes, commands, the Python reference.

    .venv/bin/python scripts/docs.py

A page holds ``<!-- from the code: NAME -->`` and ``<!-- end of NAME -->``; between the two stands what ``PARTS[NAME]``
makes, the rest is written by hand. A test compares, so that no page can fall behind.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from idp.cli.group import COMMANDS, commands
from idp.cli.routes import routes_of
from idp.features import FEATURES
from idp.settings import Settings, load
from idp.settings_described import describe
from idp.store.audit import EVENTS
from idp.watch.meters import METRICS

sys.path.insert(0, str(Path(__file__).parent))  # a test runs this file by its path
from docs_api import api
from docs_pages import Unlisted, contents

FOLDER = Path(__file__).parent.parent / "docs"
_PART = re.compile(r"(<!-- from the code: (?P<name>[a-z]+) -->\n).*?(\n<!-- end of (?P=name) -->)", re.DOTALL)


def settings() -> Iterator[str]:
    """A table for each group of the settings file."""
    groups: dict[str, list[Sequence[str]]] = {}
    for row in describe():
        group, _, name = row.name.rpartition(".")
        shown = f"`{name}`" if row.in_file else f"`{name}` (environment only)"
        default = f"`{row.default}`" if row.default else "none"
        kind = "seconds" if row.type.startswith("seconds") else row.type
        cells = (shown, row.meaning, default, _in_dev(row.name), kind, f"`{row.variable}`")
        groups.setdefault(group, []).append(cells)
    for group, rows in groups.items():
        yield f"## `[{group}]`" if group else "## At the top of the file"
        yield table(("setting", "meaning", "default", "in `idp dev`", "type", "environment variable"), rows)


def _in_dev(name: str) -> str:
    """What ``idp dev`` puts in place of the default, empty where it keeps it."""
    found = _value(load(None, {}, "dev"), name)
    return "" if found == _value(Settings(issuer="", data_dir=Path()), name) else f"`{found}`"


def _value(found: Any, name: str) -> Any:
    for part in name.split("."):
        found = getattr(found, part)
    return found


def events() -> Iterator[str]:
    yield table(("event", "meaning"), [(f"`{name}`", meaning) for name, meaning in EVENTS.items()])


def metrics() -> Iterator[str]:
    rows = [
        (f"`{name}`", metric.kind, ", ".join(f"`{label}`" for label in metric.labels), metric.meaning)
        for name, metric in METRICS.items()
    ]
    yield table(("metric", "kind", "labels", "meaning"), rows)


def routes() -> Iterator[str]:
    """Every route of ``idp dev`` and those on request, with those marked that ``idp serve`` lacks."""
    dev = load(None, {"IDP_REGISTRATION_MODE": "open"}, "dev")
    plain = {route.path for route in routes_of(Settings(issuer=dev.issuer, data_dir=dev.data_dir))}
    asked = Settings(issuer=dev.issuer, data_dir=dev.data_dir, password_exchange_client="named")
    on_request = {route.path for route in routes_of(asked)}
    readable = {e.path: e.cors for feature in FEATURES for e in feature.endpoints if e.cors}
    rows = []
    for route in routes_of(dev):
        there = "always" if route.path in plain else "`idp dev` only"
        if route.path in on_request - plain:
            there = "with `password_exchange_client`"
        if route.path.startswith("/register"):
            there = "with `registration.mode`"
        by_scripts = "own origins" if route.path in readable else ""
        if "/.well-known/" in route.path or readable.get(route.path) == "anybody":
            by_scripts = "`*`"
        rows.append((route.methods.replace(" ", ", "), f"`{route.path}`", route.auth, by_scripts, there, route.source))
    yield table(("method", "path", "who may call it", "browser apps", "there", "source"), rows)


def command_line() -> Iterator[str]:
    """The options before any command, then every command with its help and options."""
    yield options(commands)
    context = click.Context(commands, info_name="idp")
    for name in COMMANDS:
        command = commands.get_command(context, name)
        if command is not None:
            yield from _command(f"idp {name}", command)


def _command(name: str, command: click.Command) -> Iterator[str]:
    yield f"{'##' if name.count(' ') == 1 else '###'} {name}"
    if isinstance(command, click.Group):
        yield from _paragraphs(command.help)
        for inner, found in command.commands.items():
            yield from _command(f"{name} {inner}", found)
        return
    context = click.Context(command)
    arguments = [param.make_metavar(context) for param in command.params if isinstance(param, click.Argument)]
    usage = " ".join([name, *(["[OPTIONS]"] if _options_of(command) else []), *arguments])
    yield f"`{usage}`"
    yield from _paragraphs(command.help)
    if _options_of(command):
        yield options(command)


def _options_of(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option) and not param.hidden]


def options(command: click.Command) -> str:
    records = (option.get_help_record(click.Context(command)) for option in _options_of(command))
    rows = [(f"`{spelled}`", " ".join(meaning.split())) for spelled, meaning in filter(None, records)]
    return table(("option", "meaning"), rows)


def _paragraphs(text: str | None) -> Iterator[str]:
    for paragraph in (text or "").strip().split("\n\n"):
        if paragraph.startswith("\b"):  # click's mark for lines that stay as they are
            yield f"```sh\n{paragraph.removeprefix(chr(8)).strip()}\n```"
        else:
            yield " ".join(paragraph.split())


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "settings": settings,
    "events": events,
    "metrics": metrics,
    "routes": routes,
    "commands": command_line,
    "verify": api("idp.verify"),
    "testing": api("idp.testing"),
    "contents": contents,
}


def filled(text: str) -> str:
    """``text`` with each part made anew. Raises KeyError for a part nobody makes."""

    def fresh(found: re.Match[str]) -> str:
        return found[1] + "\n" + "\n\n".join(PARTS[found["name"]]()) + "\n" + found[3]

    return _PART.sub(fresh, text)


def main() -> None:
    # The list of pages comes last: it needs every page's title, and is what a new page may be missing from.
    for path in sorted(FOLDER.glob("*.md"), key=lambda path: (path.stem == "index", path)):
        text = path.read_text(encoding="utf-8")
        try:
            fresh = filled(text)
        except Unlisted as unlisted:
            sys.exit(str(unlisted))
        if fresh != text:
            path.write_text(fresh, encoding="utf-8")
            print(f"wrote docs/{path.name}")


if __name__ == "__main__":
    main()
