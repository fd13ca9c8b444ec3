"""``idp client``: apps that ask people to sign in, and services that act for themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import msgspec

from idp.cli import say
from idp.cli.client_for import add_for
from idp.cli.desk import Desk, pass_desk
from idp.cli.kinds import KINDS
from idp.cli.pages import more, none_yet, page_options
from idp.cli.trouble import Trouble
from idp.config.problems import ConfigurationError
from idp.protocol.client import Client
from idp.protocol.registration import client_flaws

_STAND_IN = b"\0" * 32  # the server makes the secret; the checks ask only whether there is one
_SCOPE = "openid profile email offline_access"


@click.group()
def client() -> None:
    """Apps that ask people to sign in, and services that act for themselves."""


@client.command("add")
@click.argument("client_id")
@click.option("--for", "kind", type=click.Choice(sorted(KINDS)), help="The right kind for it, and a snippet that runs.")
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
@click.option("--pairwise", is_flag=True, help="Tell it a sub of its own for each person, which no other app sees.")
@click.option("--sector-identifier-uri", help="Lists redirect URIs of apps that see the same pairwise subs.")
@pass_desk
def add(
    desk: Desk,
    /,
    kind: str | None,
    public: bool,
    native: bool,
    service: bool,
    refresh: bool,
    pairwise: bool,
    **members: Any,
) -> None:
    """Register the app CLIENT_ID. Prints its secret once, where it has one.

    With --for, standard output is the snippet alone:

    \b
    idp client add notes --for fastapi > api.py
    """
    if kind is not None:
        said = {"public": public, "native": native, "service": service, "pairwise": pairwise, "no_refresh": not refresh}
        add_for(desk, kind, members.pop("client_id"), {**members, **said})
        return
    members["subject_type"] = "pairwise" if pairwise else "public"
    found = _described(members, public=public or native, native=native, service=service, refresh=refresh)
    settings = desk.settings()
    flaws = client_flaws(found, algorithms=settings.keys.algorithms, profile=settings.profile)
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
@page_options("client_id")
@pass_desk
def list_clients(desk: Desk, after: str, limit: int) -> None:
    """Apps, a page at a time."""
    page = desk.call("client.list", after=after, limit=limit)
    found = [_client(row) for row in page["clients"]]
    say.table(
        ("client_id", "name", "authenticates by", "grants", "redirect URIs", ""),
        [
            (
                one.client_id,
                one.client_name or "-",
                one.token_endpoint_auth_method,
                " ".join(one.grant_types),
                " ".join(one.redirect_uris) or "-",
                " ".join(word for word in ("registered", "disabled") if getattr(one, word)),
            )
            for one in found
        ],
    )
    if page["more"]:
        more("idp client list", found[-1].client_id, limit)
    elif not after:
        none_yet(found, "app", "idp client add ID --redirect-uri URI")


def _client(row: Mapping[str, Any]) -> Client:
    # Members at their default are left out of the answer, and the number of secrets is no member.
    return msgspec.convert({name: value for name, value in row.items() if name != "secrets"}, Client)


@client.command()
@click.argument("client_id")
@pass_desk
def disable(desk: Desk, client_id: str) -> None:
    """Refuse every request of CLIENT_ID and its tokens, at once; what people allowed it stays."""
    desk.call("client.disable", client_id=client_id)
    say.line(f"{say.printable(client_id)} is disabled: its requests and its tokens are refused at our endpoints")
    say.note("an API that verifies tokens by itself takes the ones it has until they expire")
    say.next_commands((f"idp client enable {say.printable(client_id)}", "its tokens count again"))


@client.command()
@click.argument("client_id")
@pass_desk
def enable(desk: Desk, client_id: str) -> None:
    """Let CLIENT_ID act again, with the grants it had."""
    desk.call("client.enable", client_id=client_id)
    say.line(f"{say.printable(client_id)} is enabled")
    say.next_commands(("idp client list", "all apps"))


@client.command()
@click.argument("client_id")
@click.confirmation_option("--yes", prompt="Its grants and what people allowed it cannot be brought back. Remove it?")
@pass_desk
def remove(desk: Desk, client_id: str) -> None:
    """Remove CLIENT_ID: its grants are revoked, what people allowed it is forgotten."""
    result = desk.call("client.remove", client_id=client_id)
    say.line(f"{say.printable(client_id)} is removed; grants revoked: {result['grants_revoked']}")
    say.next_commands(("idp client list", "the apps that are left"))


@client.group()
def secret() -> None:
    """The secrets of an app: one in use, and a second one while the app moves to it."""


@secret.command("add")
@click.argument("client_id")
@pass_desk
def add_secret(desk: Desk, client_id: str) -> None:
    """Make a second secret for CLIENT_ID. The one before stays valid, so that the app can move in its time."""
    result = desk.call("client.secret.add", client_id=client_id)
    say.line(f"client_secret  {result['client_secret']}")
    kept = "sealed" if result.get("kept") == "sealed" else "as a hash only"
    say.note(f"the secret is stored {kept}: it is not shown again")
    say.note(f"valid now, by id, the newest first: {' '.join(result['secrets'])}")
    say.next_commands(
        (f"idp client secret retire {say.printable(client_id)} --older", "once the app uses the new one"),
    )


@secret.command("retire")
@click.argument("client_id")
@click.option("--older", is_flag=True, help="The older of the two.")
@click.option("--id", "secret_id", metavar="PREFIX", help="The one whose id begins so.")
@pass_desk
def retire_secret(desk: Desk, client_id: str, older: bool, secret_id: str | None) -> None:
    """End one secret of CLIENT_ID. The last one stays: idp client disable is for that."""
    if older == (secret_id is not None):
        raise Trouble(
            "which secret ends is said",
            received="both --older and --id" if older else "neither --older nor --id",
            expected="one of them",
            mend=f"idp client secret list {client_id}",
            status=2,
        )
    result = desk.call("client.secret.retire", client_id=client_id, secret=secret_id)
    say.line(f"secret {result['retired']} of {say.printable(client_id)} is no longer valid")
    say.note(f"valid, by id: {' '.join(result['secrets'])}")
    say.next_commands(("idp audit tail", "a request that still used it stands there as client.refused"))


@secret.command("list")
@click.argument("client_id")
@pass_desk
def list_secrets(desk: Desk, client_id: str) -> None:
    """The ids of CLIENT_ID's live secrets, the newest first: the first 8 digits of the secret's SHA-256."""
    found = desk.call("client.secret.list", client_id=client_id)["secrets"]
    for each in found:
        say.line(each)
    say.next_commands((f"idp client secret add {say.printable(client_id)}", "a new one beside it"))
