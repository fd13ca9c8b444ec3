"""``idp registration``: who may register apps over HTTP."""

from __future__ import annotations

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.pages import none_yet
from idp.config.reading import as_seconds


@click.group()
def registration() -> None:
    """Registering apps over HTTP: the tokens that allow it."""


@registration.group()
def token() -> None:
    """Initial access tokens: whoever holds one may register so many apps, so long."""


def _lifetime(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """``7d``, ``12h``, or seconds."""
    seconds = as_seconds(value)
    if not isinstance(seconds, int):
        raise click.BadParameter(f"{value!r} is no time: write 30m, 12h, 7d or seconds", ctx, param)
    return seconds


@token.command("add")
@click.option("--uses", type=int, default=1, show_default=True, help="How many apps it may register.")
@click.option("--lifetime", default="7d", show_default=True, callback=_lifetime, help="How long it is good for.")
@click.option("--name", help="What it is called in the list and in the audit; else a random name.")
@pass_desk
def add(desk: Desk, uses: int, lifetime: int, name: str | None) -> None:
    """Make an initial access token. It is printed once."""
    result = desk.call("registration.token.add", uses=uses, lifetime=lifetime, name=name)
    say.line(result["token"])
    say.note(f"{result['name']}: for {uses} app{'' if uses == 1 else 's'}, {say.span(lifetime)} long")
    say.note("the token is stored as a hash only: it is not shown again")
    if result["mode"] == "off":
        say.note('nobody can use it yet: write mode = "token" under [registration] in the settings, and start again')
    say.next_commands(
        (f"idp registration token remove {say.printable(result['name'])}", "before its time, where it got lost"),
        ("idp client list", "the apps it registered"),
    )


@token.command("list")
@pass_desk
def list_tokens(desk: Desk) -> None:
    """Initial access tokens that have not expired, and what is left of each."""
    found = desk.call("registration.token.list")["tokens"]
    now = desk.clock()
    say.table(
        ("name", "apps left", "expires"),
        [(one["name"], one["uses_left"], say.moment(one["expires_at"], now)) for one in found],
    )
    none_yet(found, "initial access token", "idp registration token add")


@token.command("remove")
@click.argument("name")
@pass_desk
def remove(desk: Desk, name: str) -> None:
    """Remove the token NAME. The apps it registered stay."""
    desk.call("registration.token.remove", name=name)
    say.line(f"removed {say.printable(name)}")
    say.next_commands(("idp registration token list", "what is left"), ("idp client list", "the apps"))
