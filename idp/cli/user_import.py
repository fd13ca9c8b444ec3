"""``idp user import``: people of another system, from a CSV file or a Django database, with their password hashes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.trouble import Trouble

if TYPE_CHECKING:
    from idp.control.calling import Call
    from idp.manifest_import import Newcomer, Reader, Roll, Row, Unfit

    Rows = Iterable[Row | tuple[str, Unfit]]

_SHOWN = 20  # rejected rows that a real run prints; a dry run prints all


@click.command("import")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--django", "dsn", metavar="DSN", help="A Django site: sqlite:///db.sqlite3, postgresql://user@host/name."
)
@click.option("--table", default="auth_user", show_default=True, help="The table of the Django site's user model.")
@click.option("--map", "mapped", multiple=True, metavar="OURS=THEIRS", help="A column of another name. Repeatable.")
@click.option("--ignore", "ignored", multiple=True, metavar="COLUMN", help="Leave out a column of FILE. Repeatable.")
@click.option("--sub", metavar="TEMPLATE", help="What apps know a person by, such as django:{id}. Default: random.")
@click.option("--dry-run", is_flag=True, help="Check everything, list every rejected row, write nothing.")
@click.option("--skip-rejected", is_flag=True, help="Import the rows that are fit, although others are not.")
@pass_desk
def import_users(
    desk: Desk,
    file: Path | None,
    dsn: str | None,
    table: str,
    mapped: Sequence[str],
    ignored: Sequence[str],
    sub: str | None,
    dry_run: bool,
    skip_rejected: bool,
) -> None:
    """Add the people of a CSV FILE or of a Django site (--django), with their password hashes.

    They sign in with the passwords they have. Who is here already is left alone, so it can be done again.
    With a rejected row nothing is written, unless --skip-rejected is given.
    """
    if (file is None) == (dsn is None):
        raise click.UsageError("one source is needed: FILE.csv or --django DSN")
    columns = _pairs(mapped)
    reader, rows = _from_django(dsn, table, columns, sub) if dsn else _from_csv(file or Path(), columns, ignored, sub)
    with desk.calls() as call:
        fit, rejected = _checked(reader, rows, _everybody(call))
        _tell(rejected, most=len(rejected) if dry_run else _SHOWN)
        if rejected and not dry_run and not skip_rejected:
            raise Trouble(
                "every row is fit, or nothing is written",
                received=f"{len(rejected)} rejected of {len(fit) + len(rejected)}",
                expected="none rejected",
                mend="correct them, or add --skip-rejected to import the others",
            )
        outcomes = _sent(call, fit, "django" if dsn else "csv", write=not dry_run)
    _sum_up(fit, outcomes, len(rejected), dry_run=dry_run)
    if rejected and dry_run:
        raise click.exceptions.Exit(1)


def _pairs(mapped: Sequence[str]) -> dict[str, str]:
    from idp.manifest_import import COLUMNS

    pairs = {}
    for text in mapped:
        ours, mark, theirs = text.partition("=")
        if not mark or not theirs or ours not in COLUMNS:
            raise click.UsageError(
                f"--map {say.printable(text)}: OURS=THEIRS is needed, OURS one of {', '.join(COLUMNS)}"
            )
        pairs[ours] = theirs
    return pairs


def _from_csv(file: Path, columns: Mapping[str, str], ignored: Sequence[str], sub: str | None) -> tuple[Reader, Rows]:
    from idp.manifest_csv import read_csv

    return read_csv(file, columns=columns, ignored=ignored, sub=sub)


def _from_django(dsn: str, table: str, columns: Mapping[str, str], sub: str | None) -> tuple[Reader, Rows]:
    from idp.manifest_import import Reader, Row, placeholders
    from idp.store.django_users import ForeignDatabase, read_users

    try:
        found, rows = read_users(dsn, table, columns, placeholders(sub or ""))
    except ForeignDatabase as error:
        raise Trouble(error.rule, received=error.received, expected=error.expected, mend=error.mend, status=2) from None
    return Reader(columns=found, sub=sub, full_name=True), [Row(place, values) for place, values in rows]


def _everybody(call: Call) -> Roll:
    """Who is here already, read page by page."""
    from idp.manifest_import import Roll

    roll, after = Roll(), ""
    while people := call("user.import.known", after=after)["people"]:
        for sub, username, email in people:
            roll.here(username, sub, email)
        after = people[-1][0]
    return roll


def _checked(reader: Reader, rows: Rows, roll: Roll) -> tuple[list[Newcomer], list[tuple[str, str]]]:
    """The fit ones in their order, and each rejected row's place with its reason."""
    from idp.manifest_import import Unfit

    fit, rejected = [], []
    for row in rows:
        place = row[0] if isinstance(row, tuple) else row.place
        try:
            if isinstance(row, tuple):
                raise row[1]
            person = reader.person(row)
            roll.add(place, person)
        except Unfit as why:
            rejected.append((place, str(why)))
        else:
            fit.append(person)
    return fit, rejected


def _sent(call: Call, people: Sequence[Newcomer], source: str, *, write: bool) -> Counter[str]:
    """Each batch is one transaction: stopped in between, the command is simply given again."""
    from idp.control.importing import BATCH

    outcomes: Counter[str] = Counter()
    for start in range(0, len(people), BATCH):
        batch = [msgspec.to_builtins(person) for person in people[start : start + BATCH]]
        last = start + BATCH >= len(people)
        outcomes.update(call("user.import", people=batch, source=source, write=write, last=last)["outcomes"])
    return outcomes


def _tell(rejected: Sequence[tuple[str, str]], most: int) -> None:
    for place, reason in rejected[:most]:
        say.line(f"{say.printable(place)}: {say.printable(reason)}")
    if len(rejected) > most:
        say.note(f"and {len(rejected) - most} more: --dry-run lists all")


def _sum_up(people: Sequence[Newcomer], outcomes: Counter[str], rejected: int, *, dry_run: bool) -> None:
    words = {"created": "new", "changed": "with a newer hash", "unchanged": "here already", "taken": "taken meanwhile"}
    counts = [f"{outcomes[name]} {word}" for name, word in words.items() if outcomes[name] or name == "created"]
    say.line(", ".join([*counts, f"{rejected} rejected"]) + (" (dry run: nothing is written)" if dry_run else ""))
    without = sum(person.password_hash is None for person in people)
    if without:
        say.note(f"{without} of them have no password: idp user passwd NAME sets one")
    if dry_run:
        say.next_commands(("the same without --dry-run", "once no row is rejected, or with --skip-rejected"))
    else:
        say.next_commands(("idp user list", "the people"), ("idp audit tail", "the lines that tell of it"))
