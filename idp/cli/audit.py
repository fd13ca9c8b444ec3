"""``idp audit``: what was decided, for operators."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk

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
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@pass_desk
def deliveries(desk: Desk, count: int) -> None:
    """Back-channel logouts: which app was told, and what it answered."""
    found = desk.call("logout.deliveries", limit=count)["deliveries"]
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
    if not found:
        say.note("nobody has signed out of an app with a backchannel_logout_uri yet")


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


def _state(row: Mapping[str, Any]) -> str:
    if row["delivered_at"]:
        return "delivered"
    return "given up" if row["given_up_at"] else "is tried again"
