"""``idp keys``: what the signing keys do, and the two changes an operator may force."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from typing import Any

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.trouble import Trouble

_WIDEST = 110


@click.group()
def keys() -> None:
    """Signing keys. They rotate by themselves: published first, signing later, retired last."""


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="The lives as JSON, times in unix seconds.")
@pass_desk
def list_keys(desk: Desk, as_json: bool) -> None:
    """Draw each key's life as a time line."""
    result = desk.call("keys.list")
    if as_json:
        say.line(json.dumps(result["keys"], indent=2))
        return
    from idp.cli.key_timeline import draw_timeline
    from idp.protocol.key_plan import TimelineEntry

    lives = [TimelineEntry(**life) for life in result["keys"]]
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    # click takes the colours out where nobody sees them.
    say.line(draw_timeline(lives, result["now"], width, colour=True))
    say.next_commands(
        ("idp keys rotate", "let the waiting key sign now"),
        ("idp keys export --jwks", "the public keys, as verifiers see them"),
    )


@keys.command()
@click.option("--emergency", is_flag=True, help="Do not wait until every cache knows the next key.")
@click.option("--fresh", is_flag=True, help="Skip the waiting key as well: it may have leaked with the other.")
@click.option("--new-kek", is_flag=True, help="The key-encryption key is lost: begin again with the one in force.")
@pass_desk
def rotate(desk: Desk, emergency: bool, fresh: bool, new_kek: bool) -> int:
    """Let the waiting key of each algorithm sign, or say from when on it may."""
    result = desk.call("keys.rotate", emergency=emergency, fresh=fresh, new_kek=new_kek)
    _lines(result["lines"])
    if not result["done"]:
        say.note("a key signs only when every verifier can have it")
        say.next_commands(("idp keys rotate --emergency", "after a leak: now, and see what breaks"))
        return 1
    say.next_commands(
        ("idp keys list", "see both keys"),
        ("idp token PERSON", "a new token has the new kid; the old tokens stay valid"),
    )
    return 0


# One kid in 64 begins with a dash, and its letters are no options; --help alone is one.
@keys.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("kid")
@pass_desk
def revoke(desk: Desk, kid: str) -> None:
    """Withdraw the key KID at once: every token it signed is refused."""
    result = desk.call("keys.revoke", kid=kid)
    _lines(result["lines"])
    say.next_commands(("idp keys list", "see what signs now"), ("idp audit tail", "the line that tells of it"))


@keys.command()
@pass_desk
def rewrap(desk: Desk) -> None:
    """Seal private keys and secrets under the first key of the key-encryption file.

    A running server does it with the file as it was when it started: restart it after changing the file.
    """
    _lines(desk.call("keys.rewrap")["lines"])
    say.next_commands(("idp check --deploy", "see that all is well"))


@keys.command()
@click.option("--jwks", "form", flag_value="jwks", default="jwks", help="All published keys as JSON (the default).")
@click.option("--pem", "form", flag_value="pem", help="One key in PEM, for tools that know no JWKS.")
@click.option("--alg", default="RS256", show_default=True, help="With --pem: the algorithm whose signing key is meant.")
@click.option("--kid", help="With --pem: this key instead.")
@pass_desk
def export(desk: Desk, form: str, alg: str, kid: str | None) -> None:
    """Print public keys: enough to verify, useless for signing."""
    found = desk.call("keys.jwks")["jwks"]["keys"]
    if form == "jwks":
        say.line(json.dumps({"keys": found}, indent=2))
        say.next_commands(("idp verify --jwks keys.json TOKEN", "works with the server stopped"))
        return
    chosen = _chosen(found, kid or _signing(desk, alg), kid or alg)
    from idp.jose.public import PublicKey

    click.echo(PublicKey.from_jwk(chosen).to_pem().decode(), nl=False)
    say.note(f"key {chosen['kid']} ({chosen['alg']}) signs until the next rotation; a JWKS outlives it")
    say.next_commands(("idp verify --pem public.pem TOKEN", "works with the server stopped"))


def _signing(desk: Desk, alg: str) -> str | None:
    lives = desk.call("keys.list")["keys"]
    return next((life["kid"] for life in lives if life["alg"] == alg and life["state"] == "signing"), None)


def _chosen(found: Iterable[dict[str, Any]], kid: str | None, asked: str) -> dict[str, Any]:
    members = list(found)
    for jwk in members:
        if jwk["kid"] == kid:
            return jwk
    known = ", ".join(f"{jwk['kid']} ({jwk['alg']})" for jwk in members)
    raise Trouble("no such published key", received=asked, expected=known, mend="idp keys list", status=2)


def _lines(lines: Iterable[str]) -> None:
    for text in lines:
        say.line(say.printable(text))
