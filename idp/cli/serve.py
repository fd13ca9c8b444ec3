"""``idp serve``: the provider from its settings."""

from __future__ import annotations

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.trouble import Trouble


@click.command()
@click.option("--config", "config", type=click.Path(path_type=str), help="Settings file; the same as idp --settings.")
@pass_desk
def serve(desk: Desk, config: str | None) -> None:
    """Start the provider. Refuses an older schema (idp migrate) and a missing key-encryption key (idp init)."""
    from pathlib import Path

    from idp.app import Application
    from idp.cli.running import log_to_stderr, run
    from idp.keyring import KeyringError
    from idp.settings import load
    from idp.store.migrate import SchemaMismatch

    path = Path(config) if config is not None else desk.settings_file
    settings = load(path, desk.environ, "serve", desk.options)
    log_to_stderr()

    async def ready(application: Application) -> None:
        say.note(f"idp serves {settings.issuer} on {settings.listen_host}:{settings.listen_port}")

    try:
        run(settings, ready)
    except SchemaMismatch as error:
        raise Trouble(
            "the schema is this program's", received=error.found or "an empty database", mend="idp migrate"
        ) from None
    except KeyringError as error:
        raise Trouble(error.rule, received=error.received, expected=error.expected, mend=error.mend) from None
