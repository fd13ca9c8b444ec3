"""``idp audit``: what was decided, for operators."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.trouble import Trouble
from idp.cli.when import moment

_ALARMS = ("replayed", "revoked", "refused", "failed", "denied")


@click.group()
def audit() -> None:
    """The journal of decisions."""


@audit.command()
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many events.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@pass_desk
def tail(desk: Desk, count: int, as_json: bool) -> None:
    """The newest events, the newest last."""
    events = desk.call("audit.tail", limit=count)["events"]
    for event in events:
        say.line(json.dumps(event) if as_json else event_line(event))
    if not events and not as_json:
        say.note("nothing has happened yet")


@audit.command()
@click.option("--since", callback=moment, help="From this moment on: 2026-11-03T14:00Z, 24h (ago), a unix time.")
@click.option("--until", callback=moment, help="Up to, not including, this moment; at the latest 30 s ago.")
@click.option("--output", type=click.Path(path_type=Path), help="A new file, readable by its owner; default: stdout.")
@pass_desk
def export(desk: Desk, since: float | None, until: float | None, output: Path | None) -> None:
    """All events of a span, the oldest first: one JSON object a line, told apart by writer and seq.

    The span ends where nothing can be added any more, so that the next export may begin there.
    """
    count = 0
    with _opened(output) as file, desk.calls() as talk:
        page = talk("audit.export", since=since or 0.0, until=until)
        end = page["until"]
        while True:
            file.writelines(map(_line, page["events"]))
            count += len(page["events"])
            if page["after"] is None:
                break
            page = talk("audit.export", since=since or 0.0, until=end, after=page["after"])
    say.note(f"{count} events")
    say.next_commands((f"idp audit export --since {end!r}", "later: what came after these"))


def _line(event: Mapping[str, Any]) -> str:
    time = datetime.fromtimestamp(event["at"], UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": time, **{name: event[name] for name in _MEMBERS}}, ensure_ascii=False) + "\n"


_MEMBERS = ("at", "writer", "seq", "event", "client_id", "account_id", "detail")


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Trouble(
            "an export goes to a new file",
            received=f"{path}: {error.strerror}",
            expected="a name that is free, in a folder this user may write",
            mend="choose another name",
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        yield file


@audit.command()
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@click.option("--tries", is_flag=True, help="Every try on a line of its own, in the order of time.")
@pass_desk
def deliveries(desk: Desk, count: int, tries: bool) -> None:
    """Back-channel logouts: which app was told, and what it answered."""
    found = desk.call("logout.deliveries", limit=count)["deliveries"]
    if not found:
        say.note("nobody has signed out of an app with a backchannel_logout_uri yet")
        return
    if tries:
        for row in found:
            say.line(_told(row))
            for line in (row["tries"] or "").splitlines():
                after, _, answer = line.partition(" ")
                say.line(f"  {'+' + after + ' s':>12}  {say.printable(answer)}")
            if not row["delivered_at"] and not row["given_up_at"]:
                say.line(f"  {'+' + format(row['due_at'] - row['created_at'], '.1f') + ' s':>12}  the next try")
        return
    say.table(
        ("told", "app", "account", "tries", "state", "last answer"),
        [
            (
                f"{datetime.fromtimestamp(row['created_at']).astimezone():%Y-%m-%d %H:%M:%S}",
                row["client_id"],
                row["account_id"],
                row["attempts"],
                _state(row),
                row["last_answer"] or "-",
            )
            for row in found
        ],
    )


def event_line(event: Mapping[str, Any]) -> str:
    """Time, event, who, and the details as name=value."""
    local = datetime.fromtimestamp(event["at"]).astimezone()
    name = click.style(f"{event['event']:<22}", fg="red" if event["event"].endswith(_ALARMS) else None, bold=True)
    who = [f"{key}={event[member]}" for key, member in _WHO if event.get(member)]
    details = [f"{key}={_value(value)}" for key, value in event.get("detail", {}).items()]
    return f"{local:%Y-%m-%d %H:%M:%S}  {name} {say.printable(' '.join([*who, *details]))}".rstrip()


_WHO = (("client", "client_id"), ("account", "account_id"))


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text) if " " in text or not text else text


def _told(row: Mapping[str, Any]) -> str:
    local = datetime.fromtimestamp(row["created_at"]).astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S}  {row['client_id']}  {row['account_id']}  {_state(row)}"


def _state(row: Mapping[str, Any]) -> str:
    if row["delivered_at"]:
        return "delivered"
    return "given up" if row["given_up_at"] else "is tried again"
