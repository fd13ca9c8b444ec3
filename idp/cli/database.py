"""``idp migrate``: the schema, one step ahead of ``idp serve``, which never changes it (decision 25)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk

if TYPE_CHECKING:
    from idp.settings import Settings


@click.command()
@pass_desk
def migrate(desk: Desk) -> None:
    """Bring the database to this version's schema, in one transaction. The server must be stopped."""
    import asyncio
    import contextlib

    from idp.control.calling import only_opener

    settings = desk.settings()
    alone = only_opener(settings.data_dir) if settings.database is None else contextlib.nullcontext()
    with alone:
        before, after = asyncio.run(_upgrade(settings))
    if before == after:
        say.line(f"the schema is {after} already; nothing was changed")
    else:
        say.line(f"the schema was {before or 'not there'} and is {after} now")
    say.next_commands(("idp user add NAME", "the first person"), ("idp check --deploy", "is it ready for others?"))


async def _upgrade(settings: Settings) -> tuple[str | None, str]:
    from idp.app import open_store
    from idp.store.migrate import to_head

    store = open_store(settings)
    try:
        return await store.write(to_head)
    finally:
        await store.aclose()
