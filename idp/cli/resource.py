"""``idp resource``: APIs that take our tokens."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.pages import none_yet
from idp.config.problems import ConfigurationError
from idp.protocol.client import Resource
from idp.protocol.registration_resources import resource_flaws


@click.group()
def resource() -> None:
    """Resource servers: APIs that take our tokens."""


@resource.command("add")
@click.argument("uri")
@click.option("--name", default="", help="What operators read.")
@click.option("--scope", "scopes", multiple=True, metavar="WORD", help="A scope it understands. May be repeated.")
@click.option("--algorithm", "access_token_signed_response_alg", help="What signs its tokens; default: the app's.")
@click.option("--lifetime", "access_token_lifetime", type=float, metavar="SECONDS", help="How long its tokens live.")
@click.option(
    "--opaque",
    "access_token_format",
    flag_value="opaque",
    default="jwt",
    help="Its tokens say nothing by themselves; it asks introspection about each.",
)
@pass_desk
def add(desk: Desk, /, **members: Any) -> None:
    """Register the API that is called URI: the aud of its tokens."""
    found = Resource(**members)
    flaws = resource_flaws(found, algorithms=desk.settings().keys.algorithms)
    if flaws:
        raise ConfigurationError(msgspec.structs.replace(flaw.problem, where=flaw.member) for flaw in flaws)
    desk.call("resource.add", resource=msgspec.to_builtins(found))
    say.line(f"registered {say.printable(found.uri)}")
    say.next_commands(
        (f"idp client add ID --service --resource {say.printable(found.uri)}", "an app that may ask tokens for it"),
        ("idp resource list", "all resource servers"),
    )


@resource.command("list")
@pass_desk
def list_resources(desk: Desk) -> None:
    """All resource servers."""
    found = [msgspec.convert(row, Resource) for row in desk.call("resource.list")["resources"]]
    say.table(
        ("uri", "name", "scopes", "tokens", "algorithm", "token lives"),
        [
            (
                one.uri,
                one.name or "-",
                " ".join(one.scopes) or "-",
                one.access_token_format,
                "-" if one.access_token_format == "opaque" else one.access_token_signed_response_alg or "as the app's",
                say.span(one.access_token_lifetime) if one.access_token_lifetime else "as the app's",
            )
            for one in found
        ],
    )
    none_yet(found, "resource server", "idp resource add URI")


@resource.command()
@click.argument("uri")
@pass_desk
def remove(desk: Desk, uri: str) -> None:
    """Remove the API URI, once no app names it any more. Tokens it was sent stay valid there until they expire."""
    desk.call("resource.remove", uri=uri)
    say.line(f"removed {say.printable(uri)}")
    say.next_commands(("idp resource list", "what is left"))
