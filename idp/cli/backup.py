"""``idp backup``, ``idp restore``, ``idp move``: the installation in a file, from a file, and to PostgreSQL."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_desk
def backup(desk: Desk, file: Path) -> None:
    """Write everything in the database to FILE, as it is at this moment, while the server goes on.

    FILE is sealed with the key-encryption key, which it does not hold: keep a copy of that key elsewhere. A running
    server on SQLite writes the file itself, so its user must be allowed to.
    """
    done = desk.call("backup", file=str(file.absolute()))
    say.line(f"wrote  {file}  ({done['rows']} rows, {size(done['size'])}, opens with key-encryption key {done['kek']})")
    say.next_commands((f"idp restore {file}", "on an empty database, with every server stopped"))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Take away what the database holds now. It is gone for good.")
@click.option("--keep-sessions", is_flag=True, help="Nothing has happened since the backup: nobody is signed out.")
@click.option("--other-issuer", is_flag=True, help="The backup is another issuer's: for a rehearsal elsewhere.")
@pass_desk
def restore(desk: Desk, file: Path, replace: bool, keep_sessions: bool, other_issuer: bool) -> None:
    """Make the database from the backup FILE. Every server must be stopped.

    Ends every session and grant of the backup, because some of them may have been ended after it was made, and nobody
    can know which.
    """
    from idp.control.restoring import restore_file

    settings = desk.settings()
    done = restore_file(settings, file, replace=replace, keep_sessions=keep_sessions, other_issuer=other_issuer)
    say.line(f"restored  {file}  ({done['rows']} rows, made {say.moment(done['made_at'], time.time())})")
    if keep_sessions:
        say.line("sessions  kept, as asked; sign-ins under way begin again")
    else:
        say.line(
            f"ended     {done['sessions_ended']} sessions, {done['grants_revoked']} grants: everybody signs in anew"
        )
        say.line(f"          {done['logouts_queued']} apps are told of a logout once the server runs")
    _keys(done["keys"])
    say.note("what was changed after the backup is undone: passwords, secrets, people and apps disabled meanwhile")
    say.next_commands(
        ("idp keys list", "the signing keys as they are now"),
        ("idp keys revoke KID", "for each key that was revoked after the backup"),
        ("idp serve", "start it"),
    )


@click.command()
@click.option("--to", "target", required=True, help="postgresql://user@host/name of an empty database.")
@pass_desk
def move(desk: Desk, target: str) -> None:
    """Carry the whole installation to PostgreSQL. Every server must be stopped; nobody is signed out.

    The old database stays as it was. A password is better kept in ~/.pgpass or PGPASSWORD than in the command line.
    """
    from idp.control.restoring import move as carry

    settings = desk.settings()
    done = carry(settings, target)
    for name, number in done["tables"].items():
        if number:
            say.line(f"{number:>9}  {name}")
    say.line(f"moved     {done['rows']} rows, counted on both sides; the keys open and sign there")
    say.line("now write this line into the settings file, or set IDP_DATABASE:")
    say.line(f'database = "{without_password(target)}"')
    say.note("never serve from the old database again: two of them would both be right, and disagree")
    say.next_commands(("idp check --deploy", "does it answer?"), ("idp serve", "start it"))


def _keys(found: list[dict[str, Any]]) -> None:
    say.line("keys      in the JWKS again, whatever became of them after the backup:")
    for key in found:
        say.line(f"          {key['alg']:<6} {key['state']:<9} {say.printable(key['kid'])}")


def size(number: float) -> str:
    """``2300000`` -> ``2.3 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def without_password(url: str) -> str:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.password is None:
        return url
    return url.replace(f":{parts.password}@", ":PASSWORD@", 1)
