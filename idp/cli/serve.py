"""``idp serve``: the provider from its settings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.trouble import Trouble

if TYPE_CHECKING:
    from idp.cli.listeners import Listeners
    from idp.cli.running import Ready
    from idp.settings import Settings


@click.command()
@click.option("--config", "config", type=click.Path(path_type=str), help="Settings file; the same as idp --settings.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Processes; more than one needs PostgreSQL.")
@click.option("--tls-cert", type=click.Path(path_type=str), help="PEM certificate and chain: https without a proxy.")
@click.option("--tls-key", type=click.Path(path_type=str), help="PEM private key of that certificate.")
@click.option("--profile", type=click.Choice(["conformance"]), help="Inhabitants for the OpenID conformance suite.")
@click.option("--suite-base-url", envvar="SUITE_BASE_URL", help="That profile: the suite's address. [SUITE_BASE_URL]")
@click.option("--suite-alias", envvar="ALIAS", default="idp", help="That profile: the plans' alias. [ALIAS]")
@click.option("--suite-keys", envvar="SUITE_KEYS", help="That profile: folder of clients' public keys. [SUITE_KEYS]")
@pass_desk
def serve(
    desk: Desk,
    config: str | None,
    workers: int,
    tls_cert: str | None,
    tls_key: str | None,
    profile: str | None,
    suite_base_url: str | None,
    suite_alias: str,
    suite_keys: str | None,
) -> None:
    """Start the provider. Refuses an older schema (idp migrate) and a missing key-encryption key (idp init).

    SIGTERM drains it, a second one ends it at once; SIGHUP reads the certificate again.
    """
    from pathlib import Path

    from idp.app import Application
    from idp.cli import conformance
    from idp.settings import load
    from idp.watch.logs import configure

    suite = None if profile is None else conformance.suite_of(suite_base_url, suite_alias, suite_keys)
    path = Path(config) if config is not None else desk.settings_file
    tls = {"tls_certificate_file": tls_cert, "tls_key_file": tls_key}
    profiled = conformance.options_of(desk.environ) if suite else {}
    settings = load(path, desk.environ, "serve", {**desk.options, **tls, **profiled})
    configure(settings.log_format, settings.log_level)

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

    if suite is not None:
        conformance.refuse_inhabited(settings)
        conformance.say_loudly(settings, suite)
        conformance.furnish(settings)
        _run(settings, ready, None, before=partial(conformance.seed, suite=suite))
        return
    conformance.refuse_made_by_profile(settings)
    if workers > 1:
        _share(settings, workers, ready)
    else:
        _run(settings, ready, None)


def _share(settings: Settings, workers: int, ready: Ready) -> None:
    from idp.cli.group import refusal_status
    from idp.cli.listeners import listeners
    from idp.cli.workers import supervise
    from idp.serving_tls import Certificate
    from idp.watch.metrics import forget, share

    # A pair that cannot be used is told once, not by each worker.
    hangs_up = Certificate.of(settings) is None
    with listeners(settings, shared=True) as bound:

        def work() -> int:
            try:
                _run(settings, ready, bound)
            except Exception as error:
                return refusal_status(error)
            return 0

        if bound.folder is not None:
            share(bound.folder)
        ended = forget if bound.folder is not None else lambda pid: None
        status = supervise(workers, work, let_go=bound.close, ended=ended, hangs_up=hangs_up)
    if status:
        raise click.exceptions.Exit(status)


def _run(settings: Settings, ready: Ready, given: Listeners | None, before: Ready | None = None) -> None:
    from idp.cli.running import run
    from idp.keyring import KeyringError
    from idp.store.migrate import HEAD, SchemaMismatch

    try:
        run(settings, ready, before=before, given=given)
    except SchemaMismatch as error:
        raise Trouble(
            "the schema is this program's",
            received=error.found or "an empty database",
            expected=HEAD,
            mend=error.mend,
        ) from None
    except KeyringError as error:
        raise Trouble(error.rule, received=error.received, expected=error.expected, mend=error.mend) from None
