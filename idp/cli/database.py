"""``idp migrate``: the schema, one step ahead of ``idp serve``, which never changes it (decision 25)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.trouble import Trouble

if TYPE_CHECKING:
    from pathlib import Path

    from idp.settings import Settings


@click.command()
@pass_desk
def migrate(desk: Desk) -> None:
    """Bring the database to this version's schema, in one transaction.

    On SQLite the server must be stopped, and the file is copied first. On PostgreSQL servers of the version before may
    go on: what they write still fits.
    """
    import asyncio
    import contextlib

    from idp.control.calling import only_opener
    from idp.store.database import Unavailable
    from idp.store.migrate import HEAD, SchemaMismatch

    settings = desk.settings()
    alone = only_opener(settings.data_dir) if settings.database is None else contextlib.nullcontext()
    try:
        with alone:
            before, after, copy = asyncio.run(_upgrade(settings))
    except SchemaMismatch as error:
        raise Trouble(
            "the schema is one this program knows", received=error.found or "", expected=HEAD, mend=error.mend
        ) from None
    except Unavailable as error:
        raise Trouble(
            "the database answers, and may be changed",
            received=str(error),
            expected="a free, writable database",
            mend="nothing was changed: try again",
        ) from None
    if before == after:
        say.line(f"the schema is {after} already; nothing was changed")
    else:
        say.line(f"the schema was {before or 'not there'} and is {after} now")
    if copy is not None:
        say.line(f"as it was before: {copy}")
    say.next_commands(("idp user add NAME", "the first person"), ("idp check --deploy", "is it ready for others?"))


async def _upgrade(settings: Settings) -> tuple[str | None, str, Path | None]:
    from idp.app import open_store
    from idp.store.migrate import copy_before, to_head

    store = open_store(settings, patient=True)
    try:
        copy = copy_before(store)
        return *await store.write(to_head), copy
    finally:
        await store.aclose()
