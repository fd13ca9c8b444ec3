"""``idp decode``: what a token says, part by part, and what one changed byte does to its signature."""

from __future__ import annotations

import json
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

import click

from idp.cli import say
from idp.cli.claims import explain_claim, explain_header
from idp.cli.desk import Desk, pass_desk
from idp.cli.trouble import Trouble
from idp.jose.compact import Token, read_unverified
from idp.jose.errors import JoseError

_COLOURS = ("red", "magenta", "cyan")
_NAMES = ("header", "payload", "signature")
_LONGEST_VALUE = 100


@click.command()
@click.argument("token")
@click.option("--flip", is_flag=True, help="Change one byte of the payload and check the signature again.")
@click.option("--jwks", help="With --flip: the public keys, a file or an address; else the issuer's own.")
@pass_desk
def decode(desk: Desk, token: str, flip: bool, jwks: str | None) -> None:
    """Show the three parts of a token, each claim explained.

    Works offline. "-" reads the token from standard input. A token is a key to somebody's data: never paste
    a live one into a web page.
    """
    text = read_token(token)
    read = understand(text)
    show(text, read, desk.clock())
    if flip:
        show_flip(text, read, jwks)
        return
    say.next_commands(
        ("idp decode --flip TOKEN", "change one byte: the signature no longer matches"),
        ("idp verify TOKEN --jwks keys.json", "check the signature with public keys alone"),
    )


def read_token(argument: str) -> str:
    """The token from the argument, from standard input, or out of a header line."""
    text = sys.stdin.read(20_000) if argument == "-" else argument
    text = text.strip()
    for prefix in ("authorization:", "bearer "):
        if text[: len(prefix)].lower() == prefix:
            text = text[len(prefix) :].strip()
    return text


def understand(text: str) -> Token:
    """The parts, unverified. Raises Trouble that says what the text is instead."""
    try:
        return read_unverified(text)
    except JoseError as error:
        mend = "pass the whole access token or ID token"
        if text.count(".") == 0 and text:
            mend = "a refresh token or code is opaque: only the server can read it; pass the access token"
        raise Trouble(
            "a token is three base64url parts with dots between",
            received=str(error),
            expected="header.payload.signature",
            mend=mend,
            status=2,
        ) from None


def show(text: str, token: Token, now: float) -> None:
    """The whole token, then each part in its colour."""
    parts = text.split(".")
    click.echo(".".join(click.style(part, fg=colour) for part, colour in zip(parts, _COLOURS, strict=True)))
    _part(0, "how it is signed", token.header, explain_header)
    _part(1, "what it says", token.claims, lambda name, value: explain_claim(name, value, token.claims, now))
    size = len(decoded(parts[2]))
    click.echo(f"\n{_heading(2, 'proof that the issuer wrote the two parts above')}")
    click.echo(f"  {size} bytes; made with the private key, checked with the public key alone")
    notice = " SIGNED, NOT ENCRYPTED "
    click.echo(f"\n{click.style(notice, bold=True, reverse=True)} whoever holds this token can read all of it.")
    click.echo("Nobody without the private key can change it. Decoding is not verifying: nothing was checked here.")


def _heading(index: int, meaning: str) -> str:
    name = click.style(_NAMES[index], fg=_COLOURS[index], bold=True)
    return f"{index + 1} {name}: {meaning}"


def _part(index: int, meaning: str, members: Mapping[str, Any], explain: Callable[[str, Any], str]) -> None:
    click.echo(f"\n{_heading(index, meaning)}")
    shown = {name: _value(value) for name, value in members.items()}
    width = max((len(say.printable(name)) for name in members), default=0)
    room = min(max((len(value) for value in shown.values()), default=0), 40)
    for name, value in shown.items():
        styled = click.style(value.ljust(room), fg=_COLOURS[index])
        click.echo(f"  {say.printable(name).ljust(width)}  {styled}  {explain(name, members[name])}")


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    text = say.printable(text)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def show_flip(text: str, token: Token, jwks: str | None) -> None:
    """Prove the token, change one byte, fail to prove it again."""
    from idp.cli.keysource import keys_for

    keys = keys_for(token, jwks)
    changed, before, after = flipped(text)
    click.echo(f"\n{click.style('one byte of the payload changed', bold=True)}")
    click.echo(f"  before  {say.printable(before)}")
    click.echo(f"  after   {say.printable(after)}")
    key = keys.prove(text)
    click.echo(f"  as issued    {click.style('signature matches', fg='green', bold=True)} (public key {key.kid})")
    try:
        keys.prove(changed)
    except Trouble:
        verdict = click.style("signature does not match", fg="red", bold=True)
        click.echo(f"  with the change  {verdict}: every verifier refuses it")
        return
    raise Trouble("a changed token was taken for a good one", expected="a refusal", mend="report this as a bug")


def flipped(text: str) -> tuple[str, str, str]:
    """The token with one byte of its payload changed, still JSON, and the claim before and after."""
    header, payload, signature = text.split(".")
    data = bytearray(decoded(payload))
    at = _harmless_byte(bytes(data))
    before = _around(bytes(data), at)
    data[at] += 1 if chr(data[at] + 1).isalnum() else -1
    changed = urlsafe_b64encode(bytes(data)).rstrip(b"=").decode()
    return f"{header}.{changed}.{signature}", before, _around(bytes(data), at)


def _harmless_byte(data: bytes) -> int:
    """Where a letter or digit of a value stands: the end of ``sub``, else the last one of the payload."""
    claims = json.loads(data)
    subject = claims.get("sub") if isinstance(claims, dict) else None
    spelled = json.dumps(subject, ensure_ascii=False).encode() if isinstance(subject, str) else b""
    start = data.find(b'"sub"')
    found = data.find(spelled, start + 5) if start >= 0 and spelled else -1
    if found >= 0 and chr(spelled[-2]).isascii() and chr(spelled[-2]).isalnum():
        return found + len(spelled) - 2
    return next(index for index in range(len(data) - 1, -1, -1) if bytes(data[index : index + 1]).isalnum())


def _around(data: bytes, at: int) -> str:
    start = max(data.rfind(b",", 0, at), data.rfind(b"{", 0, at)) + 1
    ends = [found for found in (data.find(b",", at), data.find(b"}", at)) if found >= 0]
    return data[start : min(ends, default=len(data))].decode(errors="replace")


def decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
