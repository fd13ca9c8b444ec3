"""``idp migrate``: the schema, one step ahead of ``idp serve``, which never changes it (decision 25)."""

from __future__ import annotations

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk


@click.command()
@pass_desk
def migrate(desk: Desk) -> None:
    """Bring the database to this version's schema, in one transaction. The server must be stopped."""
    from idp.app import DATABASE_FILE
    from idp.control.calling import only_opener
    from idp.store.database import Database
    from idp.store.migrate import upgrade

    settings = desk.settings()
    with only_opener(settings.data_dir):
        database = Database(settings.data_dir / DATABASE_FILE, synchronous=settings.synchronous)
        try:
            before, after = upgrade(database)
        finally:
            database.close()
    if before == after:
        say.line(f"the schema is {after} already; nothing was changed")
    else:
        say.line(f"the schema was {before or 'not there'} and is {after} now")
    say.next_commands(("idp user add NAME", "the first person"), ("idp check --deploy", "is it ready for others?"))
