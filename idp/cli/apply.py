"""``idp apply`` and ``idp export``: all that is registered, as one file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.manifest import read_manifest
from idp.manifest_schema import manifest_schema
from idp.protocol.registration_responses import offered
from idp.settings_network import reach

PENDING = 3  # exit status of a plan that would change something: 1 and 2 are refusals
_MARKS = {"created": "+", "changed": "~"}
_COLOURS = {"created": "green", "changed": "yellow"}


def _print_schema(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        say.line(json.dumps(manifest_schema(), indent=1))
        ctx.exit()


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--plan", is_flag=True, help=f"Only show what would change and break; exit status {PENDING} if anything.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: outcomes, members, what breaks.")
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the file's JSON Schema, for an editor, and end.",
)
@pass_desk
def apply(desk: Desk, file: Path, plan: bool, as_json: bool) -> None:
    """Make clients, people, scopes and resources as FILE (TOML) says, all of it or nothing.

    What FILE does not name stays as it is. The second time changes nothing.
    """
    settings = desk.settings()
    types, keys = offered(settings.implicit_and_hybrid), settings.keys.algorithms
    manifest = read_manifest(
        file, algorithms=keys, response_types=types, reach=reach(settings), profile=settings.profile
    )
    result = desk.call("apply", manifest=msgspec.to_builtins(manifest), plan=plan)
    if as_json:
        say.line(json.dumps(result))
    else:
        _tell(result["outcomes"], plan, file)
    if plan and result["changed"]:
        raise click.exceptions.Exit(PENDING)


def _tell(outcomes: list[dict[str, Any]], plan: bool, file: Path) -> None:
    for entry in outcomes:
        for text in _entry_lines(entry, plan):
            say.line(text)
    counts = Counter(entry["outcome"] for entry in outcomes)
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "the file is empty"
    pending = len(outcomes) > counts["unchanged"]
    say.line(f"{said}: nothing is written yet" if plan and pending else said)
    if plan and pending:
        say.next_commands((f"idp apply {say.printable(str(file))}", "do it"))
    elif not plan:
        say.next_commands(("idp client list", "the apps"), ("idp user list", "the people"))


def _entry_lines(entry: Mapping[str, Any], plan: bool) -> Iterator[str]:
    outcome = entry["outcome"]
    if outcome == "unchanged":
        return
    head = f"{_MARKS[outcome]} {entry['kind']} {say.printable(entry['name'])}" if plan else None
    yield click.style(head or f"{outcome:<8} {entry['kind']} {say.printable(entry['name'])}", fg=_COLOURS[outcome])
    for member in entry["members"]:
        yield f"    {member['name']}: {say.printable(member['old'])} -> {say.printable(member['new'])}"
    for sentence in entry["breaks"]:
        yield click.style(f"  ! {say.printable(sentence)}", fg="red")


@click.command()
@click.option("--without-people", is_flag=True, help="Only clients, scopes and resources.")
@click.option("--registered", is_flag=True, help="The apps that registered themselves too; then they are the file's.")
@pass_desk
def export(desk: Desk, without_people: bool, registered: bool) -> None:
    """Write the apply file of what is there to standard output: clients, people, scopes, resources.

    Secrets and passwords are in it as hashes. idp apply makes the same of it in an empty database.
    """
    say.line("# Written by idp export. Secrets and passwords stand here as hashes; keep it where only operators read.")
    section: str | None = ""
    after = ""
    with desk.calls() as talk:
        while section is not None and not (without_people and section == "people"):
            piece = talk("export", section=section, after=after, registered=registered)
            section, after = piece["section"], piece["after"]
            click.echo(piece["text"], nl=False)
    say.next_commands(("idp apply FILE --plan", "what the file would change in another database"))
