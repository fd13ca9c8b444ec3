"""``idp user``: people. A password is asked for, or read from a file; it is never an argument."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.pages import more, none_yet, page_options
from idp.cli.trouble import Trouble
from idp.cli.user_import import import_users
from idp.config.problems import ConfigurationError

_PASSWORD_FILE = click.option(
    "--password-file", type=click.Path(path_type=Path), help='A file with the password; "-" is stdin.'
)


@click.group()
def user() -> None:
    """People."""


@user.command("add")
@click.argument("username")
@click.option("--name", help="Full name.")
@click.option("--email", help="E-mail address.")
@_PASSWORD_FILE
@click.option("--if-missing", is_flag=True, help="Change nothing where the name is taken: for a start that repeats.")
@pass_desk
def add_user(
    desk: Desk, username: str, name: str | None, email: str | None, password_file: Path | None, if_missing: bool
) -> None:
    """Add the person USERNAME; asks for the password, twice, where no file holds it."""
    claims = _claims({"name": name, "email": email}, username)
    password = _password(password_file)
    result = desk.call("user.add", username=username, password=password, claims=claims, if_missing=if_missing)
    if result["outcome"] == "unchanged":
        say.line(f"{say.printable(username)} is there already, sub {result['sub']}; nothing was changed")
    else:
        say.line(f"added {say.printable(result['username'])}, sub {result['sub']}")
    if desk.mode == "dev":
        say.next_commands((f"idp token {_word(username)}", "a token for this person"), ("idp user list", "all people"))
        return
    say.next_commands(
        (f"open {desk.issuer()}/account", "sign in as this person, in a browser"),
        ("idp client add cli --native --redirect-uri http://127.0.0.1/callback", "an app for the command line, once"),
        ("idp login --client cli", "a token by the way every app goes"),
    )


user.add_command(import_users)


@user.command()
@click.argument("username")
@_PASSWORD_FILE
@pass_desk
def passwd(desk: Desk, username: str, password_file: Path | None) -> None:
    """Set a new password for USERNAME and end the person's sessions."""
    result = desk.call("user.passwd", username=username, password=_password(password_file))
    ended = result["sessions_ended"]
    say.line(f"the password of {say.printable(result['username'])} is changed; sessions ended: {ended}")
    say.next_commands(("idp audit tail", "the line that tells of it"))


@user.command()
@click.argument("username")
@pass_desk
def disable(desk: Desk, username: str) -> None:
    """Stop USERNAME from acting: no sign-in, every session and token ended, the apps told."""
    result = desk.call("user.disable", username=username)
    say.line(f"{say.printable(result['username'])} is disabled; sessions ended: {result['sessions_ended']}")
    say.next_commands((f"idp user enable {_word(username)}", "let the person in again"))


@user.command()
@click.argument("username")
@pass_desk
def enable(desk: Desk, username: str) -> None:
    """Let USERNAME sign in again. What ended stays ended."""
    result = desk.call("user.enable", username=username)
    say.line(f"{say.printable(result['username'])} may sign in again")
    say.next_commands(("idp audit tail", "the line that tells of it"))


@user.command()
@click.argument("username")
@pass_desk
def logout(desk: Desk, username: str) -> None:
    """End every session and grant of USERNAME, refresh tokens too, and tell the apps; they may sign in again."""
    result = desk.call("user.logout", username=username)
    ended = f"sessions ended: {result['sessions_ended']}, grants: {result['grants_ended']}"
    say.line(f"{say.printable(result['username'])} is signed out everywhere; {ended}")
    say.next_commands(
        ("idp audit deliveries", "which apps were told"),
        (f"idp user passwd {_word(username)}", "if somebody else knows the password"),
    )


@user.command()
@click.argument("username")
@pass_desk
def unlock(desk: Desk, username: str) -> None:
    """Forget the failed sign-ins to USERNAME: the account's own limit begins anew. Limits on networks stay."""
    result = desk.call("user.unlock", username=username)
    failed = f"{result['tries']} of {result['limit']} failed sign-ins counted, now none"
    say.line(f"{say.printable(username)}: {failed}")
    say.next_commands(
        ("idp audit tail", "login.failed says when they failed"),
        (f"idp user passwd {_word(username)}", "if the password is forgotten"),
    )


@user.command()
@click.argument("username")
@click.confirmation_option("--yes", prompt="The account and what apps were allowed cannot be brought back. Remove it?")
@pass_desk
def remove(desk: Desk, username: str) -> None:
    """Remove USERNAME: the account, every session, grant and consent. The audit keeps its lines, by sub."""
    result = desk.call("user.remove", username=username)
    say.line(f"{say.printable(username)} is removed, sub {result['sub']}; sessions ended: {result['sessions_ended']}")
    say.next_commands(("idp audit deliveries", "which apps were told"))


@user.command("list")
@page_options("user name")
@click.option("--prefix", default="", help="Only names that begin so.")
@pass_desk
def list_users(desk: Desk, after: str, limit: int, prefix: str) -> None:
    """People by user name, a page at a time."""
    page = desk.call("user.list", after=after, limit=limit, prefix=prefix)
    rows = page["people"]
    say.table(
        ("username", "sub", "name", "email", ""),
        [
            (
                row["username"],
                row["sub"],
                row["claims"].get("name", "-"),
                row["claims"].get("email", "-"),
                "disabled" if row["disabled"] else "",
            )
            for row in rows
        ],
    )
    if page["more"]:
        chosen = f" --prefix {shlex.quote(say.printable(prefix))}" if prefix else ""
        more(f"idp user list{chosen}", rows[-1]["username"], limit)
    elif not after and not prefix:
        none_yet(rows, "person", "idp user add NAME")
    elif not rows:
        say.note("no such person")


def _word(text: str) -> str:
    """A name as it can be typed into a shell again."""
    return shlex.quote(say.printable(text))


def _claims(given: Mapping[str, str | None], username: str) -> dict[str, Any]:
    from idp.config.reading import Report
    from idp.config.toml_source import TomlSource
    from idp.manifest_people import read_person

    report = Report(TomlSource("", "command line"))
    table = {name: value for name, value in given.items() if value is not None}
    person = read_person({"username": username, **table}, report, (), Path())
    if person is None:
        raise ConfigurationError(report.problems)
    return person.claims


def _password(file: Path | None) -> str:
    if file is None:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    try:
        text = sys.stdin.read(4096) if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        received = f"{file}: {type(error).__name__}"
        raise Trouble("the password's file must be readable", received=received, status=2) from None
    password = text.removesuffix("\n").removesuffix("\r")
    if not 0 < len(password) <= 1024:
        raise Trouble("a password has 1 to 1024 characters", received=f"{len(password)}", status=2)
    return password
