"""The table of commands. Each is imported when it is called, so that ``idp decode`` is there at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import click

from idp.cli import say
from idp.cli.desk import Desk, find_settings_file


class Entry(NamedTuple):
    """Where a command is written, and its line in the overview."""

    module: str
    attribute: str
    help: str


COMMANDS: dict[str, Entry] = {
    "dev": Entry("dev", "dev", "Start a provider on this machine: people, a client and /hello are there."),
    "serve": Entry("serve", "serve", "Start the provider from its settings."),
    "init": Entry("init", "init", "Write settings and the key-encryption key of a new installation."),
    "check": Entry("check", "check", "Check the settings; with --deploy everything before going live."),
    "migrate": Entry("database", "migrate", "Bring the database to this version's schema."),
    "backup": Entry("backup", "backup", "Write the whole installation to a sealed file, while it runs."),
    "restore": Entry("backup", "restore", "Make the database from a backup."),
    "move": Entry("backup", "move", "Carry the installation from SQLite to PostgreSQL."),
    "apply": Entry("apply", "apply", "Make clients, people, scopes and resources as one file says."),
    "export": Entry("apply", "export", "Write such a file from what is there."),
    "client": Entry("client", "client", "Apps that ask people to sign in, and services."),
    "user": Entry("user", "user", "People."),
    "resource": Entry("resource", "resource", "Resource servers that take our tokens."),
    "registration": Entry("registration", "registration", "Registering apps over HTTP: the tokens that allow it."),
    "keys": Entry("keys", "keys", "Signing keys: their lives, rotation, withdrawal, export."),
    "audit": Entry("audit", "audit", "What was decided, and why."),
    "token": Entry("token", "token", "Get an access token for a person, without a browser."),
    "refresh": Entry("token", "refresh", "Trade the stored refresh token for new tokens."),
    "login": Entry("login", "login", "Sign in with a browser, as an app does."),
    "logout": Entry("login", "logout", "Give the stored tokens back and forget them."),
    "decode": Entry("decode", "decode", "Show what a token says. Nothing is sent anywhere."),
    "verify": Entry("verify", "verify", "Verify a token with public keys alone."),
    "why": Entry("why", "why", "Say why an API would refuse a token, check by check."),
    "watch": Entry("watch", "watch", "See 100 verified requests a second go through a key rotation."),
    "doctor": Entry("doctor", "doctor", "Check any provider from outside: address, TLS, caches, keys."),
    "probe": Entry("probe", "probe", "Try a catalogue of bad tokens on your API."),
    "routes": Entry("routes", "routes", "Method, path, who may call it, and which RFC says so."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(f"idp.cli.{entry.module}"), entry.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"idp.cli.{entry.module}.{entry.attribute} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from idp.config.problems import nearest

            guess = nearest(args[0], tuple(COMMANDS))
            hint = f", you may mean idp {guess}" if guess else "; idp --help lists all"
            raise click.UsageError(f"there is no command {say.printable(args[0])!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path),
    help="Settings file; else $IDP_SETTINGS, else ./idp.toml, else the settings of idp dev.",
)
@click.option("--dev", "dev_settings", is_flag=True, help="The settings of idp dev, even beside an idp.toml.")
@click.version_option(package_name="idp", message="idp %(version)s")
@click.pass_context
def commands(ctx: click.Context, settings_file: Path | None, dev_settings: bool) -> None:
    """An OAuth 2 and OpenID Connect provider whose signing keys rotate by themselves.

    Begin with: idp dev
    """
    ctx.color = say.wants_colour(os.environ.get("NO_COLOR"), os.environ.get("FORCE_COLOR"))
    if ctx.obj is None:
        found = find_settings_file(settings_file, os.environ, dev=dev_settings)
        environ = {name: value for name, value in os.environ.items() if not (dev_settings and name in _NOT_DEV)}
        ctx.obj = Desk(found, environ)


# What points at an installation; ``--dev`` means this folder's own.
_NOT_DEV = ("IDP_ISSUER", "IDP_DATA_DIR", "IDP_DATABASE")


def run(arguments: Sequence[str], **extra: Any) -> int:
    """One command line; the exit status. Refusals are printed, never raised."""
    try:
        result = commands.main(args=list(arguments), prog_name="idp", standalone_mode=False, **extra)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        say.note("stopped")
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:
        return refusal_status(error)
    return result if isinstance(result, int) else 0


def refusal_status(error: Exception) -> int:
    """Say a refusal and answer the exit status it means; anything else is raised again."""
    from idp.config.problems import ConfigurationError

    if isinstance(error, ConfigurationError):
        for found in error.problems:
            say.problem(found)
        return 2
    from idp.cli.trouble import Trouble

    if isinstance(error, Trouble):
        say.refused(error.rule, error.received, error.expected, error.mend)
        return error.status
    from idp.control import ControlError
    from idp.keyring import KeyringError

    if isinstance(error, ControlError | KeyringError):
        say.refused(error.rule, error.received, error.expected, error.mend)
        return 1
    raise error
