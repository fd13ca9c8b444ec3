"""``idp serve``: the provider from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.trouble import Trouble

if TYPE_CHECKING:
    import socket

    from idp.cli.running import Ready
    from idp.settings import Settings


@click.command()
@click.option("--config", "config", type=click.Path(path_type=str), help="Settings file; the same as idp --settings.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Processes; more than one needs PostgreSQL.")
@pass_desk
def serve(desk: Desk, config: str | None, workers: int) -> None:
    """Start the provider. Refuses an older schema (idp migrate) and a missing key-encryption key (idp init)."""
    from pathlib import Path

    from idp.app import Application
    from idp.cli.running import log_to_stderr
    from idp.settings import load

    path = Path(config) if config is not None else desk.settings_file
    settings = load(path, desk.environ, "serve", desk.options)
    log_to_stderr()

    if workers > 1 and settings.database is None:
        raise Trouble(
            "SQLite means one process",
            received=f"--workers {workers}",
            expected="one worker, or the setting database = \"postgresql://...\"",
            mend="leave --workers out, or move to PostgreSQL",
            status=2,
        )

    async def ready(application: Application) -> None:
        say.note(f"idp serves {settings.issuer} on {settings.listen_host}:{settings.listen_port}")

    if workers > 1:
        _share(settings, workers, ready)
    else:
        _run(settings, ready, None)


def _share(settings: Settings, workers: int, ready: Ready) -> None:
    from idp.cli.group import refusal_status
    from idp.cli.running import bound
    from idp.cli.workers import supervise

    sockets = list(bound(settings.listen_host, settings.listen_port))

    def work() -> int:
        try:
            _run(settings, ready, sockets)
        except Exception as error:
            return refusal_status(error)
        return 0

    status = supervise(workers, work)
    if status:
        raise click.exceptions.Exit(status)


def _run(settings: Settings, ready: Ready, sockets: list[socket.socket] | None) -> None:
    from idp.cli.running import run
    from idp.keyring import KeyringError
    from idp.store.migrate import HEAD, SchemaMismatch

    try:
        run(settings, ready, sockets=sockets)
    except SchemaMismatch as error:
        raise Trouble(
            "the schema is this program's",
            received=error.found or "an empty database",
            expected=HEAD,
            mend=error.mend,
        ) from None
    except KeyringError as error:
        raise Trouble(error.rule, received=error.received, expected=error.expected, mend=error.mend) from None
