"""``idp apply``, ``client``, ``user`` and ``resource``: who and what the provider knows."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sized
from pathlib import Path
from typing import Any

import click
import msgspec

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.trouble import Trouble
from idp.cli.user_import import import_users
from idp.config.problems import ConfigurationError
from idp.manifest import read_manifest
from idp.protocol.client import Client, Resource
from idp.protocol.registration import client_flaws

_STAND_IN = b"\0" * 32  # the server makes the secret; the checks ask only whether there is one
_SCOPE = "openid profile email offline_access"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_desk
def apply(desk: Desk, file: Path) -> None:
    """Make clients, people, scopes and resources as FILE (TOML) says. The second time changes nothing.

    What FILE does not name stays as it is.
    """
    manifest = read_manifest(file, algorithms=desk.settings().keys.algorithms)
    outcomes = desk.call("apply", manifest=msgspec.to_builtins(manifest))["outcomes"]
    for entry in outcomes:
        if entry["outcome"] != "unchanged":
            say.line(f"{entry['outcome']:<8} {entry['kind']} {say.printable(entry['name'])}")
    counts = Counter(entry["outcome"] for entry in outcomes)
    say.line(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "the file is empty")
    say.next_commands(("idp client list", "the apps"), ("idp user list", "the people"))


@click.group()
def client() -> None:
    """Apps that ask people to sign in, and services that act for themselves."""


@client.command("add")
@click.argument("client_id")
@click.option("--name", "client_name", default="", help="What people read on the consent page.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Where answers go; exact. May be repeated.")
@click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True, help="After signing out.")
@click.option("--backchannel-logout-uri", help="Told when a session ends.")
@click.option("--public", is_flag=True, help="An app that cannot keep a secret: a browser or installed app.")
@click.option("--native", is_flag=True, help="An installed app: own URI schemes, any loopback port.")
@click.option("--service", is_flag=True, help="No people: client credentials only.")
@click.option("--refresh/--no-refresh", default=True, show_default=True, help="May ask for refresh tokens.")
@click.option("--scope", help=f"Words it may ask for. Default: {_SCOPE}.")
@click.option("--resource", "resources", multiple=True, help="An API it may ask tokens for. May be repeated.")
@pass_desk
def add_client(desk: Desk, /, public: bool, native: bool, service: bool, refresh: bool, **members: Any) -> None:
    """Register the app CLIENT_ID. Prints its secret once, where it has one."""
    found = _described(members, public=public or native, native=native, service=service, refresh=refresh)
    flaws = client_flaws(found, algorithms=desk.settings().keys.algorithms)
    if flaws:
        raise ConfigurationError(msgspec.structs.replace(flaw.problem, where=flaw.member) for flaw in flaws)
    described = {name: value for name, value in msgspec.to_builtins(found).items() if name != "secret_hashes"}
    result = desk.call("client.add", client=described)
    say.line(f"client_id      {result['client_id']}")
    if result.get("client_secret"):
        say.line(f"client_secret  {result['client_secret']}")
        say.note("the secret is stored as a hash only: it is not shown again")
    say.next_commands(
        (f"curl {desk.issuer()}/.well-known/openid-configuration", "all the app needs to know"),
        ("idp client list", "all apps"),
    )


def _described(members: Mapping[str, Any], *, public: bool, native: bool, service: bool, refresh: bool) -> Client:
    people = ("authorization_code", "refresh_token") if refresh else ("authorization_code",)
    given = {name: value for name, value in members.items() if value is not None}
    if service and "scope" not in given:
        given["scope"] = ""
    return msgspec.convert(
        {
            "scope": _SCOPE,
            **given,
            "grant_types": ("client_credentials",) if service else people,
            "application_type": "native" if native else "web",
            "token_endpoint_auth_method": "none" if public else "client_secret_basic",
            "secret_hashes": () if public else (_STAND_IN,),
        },
        Client,
    )


@client.command("list")
@pass_desk
def list_clients(desk: Desk) -> None:
    """All apps."""
    found = [_client(row) for row in desk.call("client.list")["clients"]]
    say.table(
        ("client_id", "name", "authenticates by", "grants", "redirect URIs", ""),
        [
            (
                one.client_id,
                one.client_name or "-",
                one.token_endpoint_auth_method,
                " ".join(one.grant_types),
                " ".join(one.redirect_uris) or "-",
                "disabled" if one.disabled else "",
            )
            for one in found
        ],
    )
    _none_yet(found, "app", "idp client add ID --redirect-uri URI")


def _client(row: Mapping[str, Any]) -> Client:
    # Members at their default are left out of the answer, and the number of secrets is no member.
    return msgspec.convert({name: value for name, value in row.items() if name != "secrets"}, Client)


@client.command("secret")
@click.argument("client_id")
@pass_desk
def client_secret(desk: Desk, client_id: str) -> None:
    """Make a new secret for CLIENT_ID. The one before stays valid, so that the app can move in its time."""
    result = desk.call("client.secret", client_id=client_id)
    say.line(f"client_secret  {result['client_secret']}")
    say.note("the secret is stored as a hash only: it is not shown again")
    if result["live_secrets"] > 1:
        say.note(f"{result['live_secrets']} secrets are valid now")
        again = f"idp client secret {say.printable(client_id)}"
        say.next_commands((again, "once the app has moved: the oldest secret ends"))


@click.group()
def user() -> None:
    """People."""


@user.command("add")
@click.argument("username")
@click.option("--name", help="Full name.")
@click.option("--email", help="E-mail address.")
@click.option("--password-file", type=click.Path(path_type=Path), help='A file with the password; "-" is stdin.')
@pass_desk
def add_user(desk: Desk, username: str, name: str | None, email: str | None, password_file: Path | None) -> None:
    """Add the person USERNAME; asks for the password where no file holds it."""
    claims = _claims({"name": name, "email": email}, username)
    password = _password(password_file)
    result = desk.call("user.add", username=username, password=password, claims=claims)
    say.line(f"added {say.printable(result['username'])}, sub {result['sub']}")
    say.next_commands((f"idp token {username}", "a token for this person"), ("idp user list", "all people"))


user.add_command(import_users)


@user.command()
@click.argument("username")
@click.option("--password-file", type=click.Path(path_type=Path), help='A file with the password; "-" is stdin.')
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
    say.next_commands((f"idp user enable {say.printable(username)}", "let the person in again"))


@user.command()
@click.argument("username")
@pass_desk
def enable(desk: Desk, username: str) -> None:
    """Let USERNAME sign in again. What ended stays ended."""
    result = desk.call("user.enable", username=username)
    say.line(f"{say.printable(result['username'])} may sign in again")
    say.next_commands(("idp audit tail", "the line that tells of it"))


@user.command("list")
@pass_desk
def list_users(desk: Desk) -> None:
    """All people."""
    rows = desk.call("user.list")["people"]
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
    _none_yet(rows, "person", "idp user add NAME")


@click.group()
def resource() -> None:
    """Resource servers: APIs that take our tokens."""


@resource.command("list")
@pass_desk
def list_resources(desk: Desk) -> None:
    """All resource servers."""
    found = [msgspec.convert(row, Resource) for row in desk.call("resource.list")["resources"]]
    say.table(
        ("uri", "name", "scopes", "algorithm", "token lives"),
        [
            (
                one.uri,
                one.name or "-",
                " ".join(one.scopes) or "-",
                one.access_token_signed_response_alg or "as the app's",
                say.span(one.access_token_lifetime) if one.access_token_lifetime else "as the app's",
            )
            for one in found
        ],
    )
    _none_yet(found, "resource server", "write [[resources]] in a file, then idp apply FILE")


def _none_yet(rows: Sized, what: str, how: str) -> None:
    if not rows:
        say.note(f"no {what} yet")
        say.next_commands((how, "the first one"))


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
