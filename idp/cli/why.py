"""``idp why``: why an API would refuse a token, check by check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from idp.cli import findings, say
from idp.cli.decode import read_token
from idp.cli.desk import Desk, pass_desk
from idp.cli.keysource import is_here, keys_of_issuer, read_jwks
from idp.cli.trouble import Trouble
from idp.cli.when import moment
from idp.diagnosis.finding import Finding
from idp.diagnosis.why import why as judge
from idp.jose.compact import read_unverified
from idp.jose.errors import JoseError
from idp.verify.every import Asked


@click.command()
@click.argument("token")
@click.option(
    "--audience", multiple=True, help="What the API calls itself; may be repeated. Default: as the token says."
)
@click.option("--issuer", help="Whom the API trusts. Default: as the token says, if that is this installation.")
@click.option("--scope", "scopes", multiple=True, help="A scope the call needs; may be repeated.")
@click.option("--at", callback=moment, help="Judge as of this time: 2026-11-03T14:00Z, 10m (ago), a unix time.")
@click.option("--typ", multiple=True, default=("at+jwt",), show_default=True, help="The kinds of token the API takes.")
@click.option("--alg", "algorithms", multiple=True, default=("RS256", "ES256"), show_default=True, help="As the API.")
@click.option("--leeway", type=click.FloatRange(0, 300), default=30, show_default=True, help="Seconds of clock error.")
@click.option("--jwks", help="Public keys as a JWK Set: a file, or an address.")
@click.option("--json", "as_json", is_flag=True, help="Every check as JSON.")
@pass_desk
def why(desk: Desk, /, token: str, as_json: bool, **options: Any) -> int:
    """Say why an API would refuse a token. Exit status 1 means it would; "-" reads it from standard input.

    \b
    idp token alice | idp why - --audience https://api.example.com --scope read

    Prefer "-": what stands on the command line stays in the shell's history.
    """
    text = read_token(token)
    asked, source, jwks = _asked(desk, text, options)
    at = options["at"]
    try:
        found = judge(text, asked, jwks, desk.clock() if at is None else at)
    except ValueError as error:
        raise Trouble("these options do not fit", received=str(error), status=2) from None
    refusals = [finding for finding in found if finding.state == "bad"]
    if as_json:
        findings.as_json(found, accepted=not refusals, keys=source, decides=refusals[0].check if refusals else None)
        return 1 if refusals else 0
    _say(found, refusals, asked, source, pinned=bool(options["audience"]))
    return 1 if refusals else 0


def _say(found: tuple[Finding, ...], refusals: list[Finding], asked: Asked, source: str, *, pinned: bool) -> None:
    if refusals:
        say.line(click.style(f"refused: {say.printable(refusals[0].said)}", fg="red", bold=True))
    else:
        say.line(click.style("accepted", fg="green", bold=True))
    say.line(say.printable(f"  by an API that trusts {asked.issuer} and calls itself {' or '.join(asked.audience)}"))
    say.line(
        say.printable(f"  with keys from {source}") if source else "  without keys: who wrote it was not looked at"
    )
    say.line()
    findings.show(found)
    if len(refusals) > 1:
        say.note(f"{refusals[0].check} decides: an API stops there. The others would follow")
    if not pinned:
        say.note("the audience was taken from the token; pass --audience as your API calls itself")


def _asked(desk: Desk, text: str, options: Mapping[str, Any]) -> tuple[Asked, str, Mapping[str, Any] | None]:
    """What the API accepts, where its keys come from, and the keys. What was not said is taken as the token says it."""
    try:
        claims: Mapping[str, Any] = read_unverified(text).claims
    except JoseError:
        claims = {}
    named = claims.get("iss")
    says = named if isinstance(named, str) and named else "(none)"
    audience = claims.get("aud")
    listed = tuple(audience) if isinstance(audience, list) else (audience,)
    issuer = options["issuer"] or says
    source, jwks = _keys(desk, issuer, options["jwks"], given=options["issuer"] is not None)
    asked = Asked(
        issuer=issuer,
        audience=options["audience"] or tuple(one for one in listed if isinstance(one, str) and one) or ("(none)",),
        algorithms=options["algorithms"],
        typ=options["typ"],
        leeway=options["leeway"],
        scopes=options["scopes"],
    )
    return asked, source, jwks


def _keys(desk: Desk, issuer: str, place: str | None, *, given: bool) -> tuple[str, Mapping[str, Any] | None]:
    """A file, this installation's own (with no server running too), or the issuer's by discovery.

    An issuer elsewhere is not called because a token names it: its writer would choose the address.
    """
    if place is not None:
        keys = read_jwks(place)
    elif (own := _own_keys(desk, issuer)) is not None:
        return f"this installation ({issuer})", own
    elif given or is_here(issuer):
        keys = keys_of_issuer(issuer)
    else:
        return "", None
    return keys.source, {"keys": [dict(key.jwk) for key in keys.found.keys]}


def _own_keys(desk: Desk, issuer: str) -> Mapping[str, Any] | None:
    from idp.config.problems import ConfigurationError
    from idp.control import ControlError

    try:
        # Looking must not make an installation where none is.
        if not desk.settings().data_dir.is_dir() or desk.issuer() != issuer:
            return None
        found: Mapping[str, Any] = desk.call("keys.jwks")["jwks"]
    except (ConfigurationError, ControlError):
        return None
    return found
