"""``idp verify``: what a resource server would answer, from public keys alone, the server stopped."""

from __future__ import annotations

from pathlib import Path

import click

from idp.cli import say
from idp.cli.decode import read_token, understand
from idp.cli.desk import Desk, pass_desk
from idp.cli.keysource import Keys, keys_for, keys_of_issuer, read_pem
from idp.cli.trouble import Trouble
from idp.jose.compact import Token
from idp.jose.public import VERIFYING_ALGORITHMS, PublicKey
from idp.verify import Refused, VerifiedToken, Verifier

_MEND = {
    "expired": "get a new one: idp token PERSON, or idp refresh",
    "not_yet_valid": "compare the clocks of both machines",
    "future": "compare the clocks of both machines",
    "typ": "this checks access tokens; for an ID token pass --typ JWT",
    "issuer": "pass the issuer letter by letter as its discovery document spells it",
    "audience": "ask for a token for this API: idp token PERSON --resource URI",
    "signature": "the token was changed after it was signed, or another key signed it",
    "unknown_key": "save the key set again: keys rotate. curl ISSUER/.well-known/jwks.json > keys.json",
    "algorithm": "a token names the algorithm of its key",
}


@click.command()
@click.argument("token")
@click.option("--jwks", help="Public keys as a JWK Set: a file, or an address.")
@click.option("--pem", type=click.Path(path_type=Path), help="A public key in PEM.")
@click.option("--issuer", help="Who must have issued it; without --jwks and --pem its keys are fetched from there.")
@click.option("--audience", help="Who it must be meant for.")
@click.option("--typ", default="at+jwt", show_default=True, help="The kind of token; ID tokens are JWT.")
@click.option("--leeway", type=click.FloatRange(0, 300), default=30, show_default=True, help="Seconds of clock error.")
@pass_desk
def verify(
    desk: Desk,
    token: str,
    jwks: str | None,
    pem: Path | None,
    issuer: str | None,
    audience: str | None,
    typ: str,
    leeway: float,
) -> None:
    """Say whether a token is valid. Exit status 0 means it is. "-" reads it from standard input."""
    text = read_token(token)
    read = understand(text)
    keys = _keys(read, jwks, pem, issuer)
    verifier = _verifier(desk, text, read, keys, issuer, audience, typ, leeway)
    try:
        verified = verifier.verify_sync(text)
    except Refused as refused:
        raise Trouble(
            f"not valid: {refused}",
            received=refused.received or "",
            expected=refused.expected or "",
            mend=_MEND.get(refused.reason, "get a new token"),
        ) from None
    _report(verified, keys, issuer, audience, desk.clock())


def _keys(token: Token, jwks: str | None, pem: Path | None, issuer: str | None) -> Keys:
    if jwks is not None and pem is not None:
        raise Trouble(
            "one source of keys",
            received="--jwks and --pem",
            expected="one of them",
            mend="leave one out",
            status=2,
        )
    if pem is not None:
        alg = token.header["alg"]
        return read_pem(pem, alg if alg in VERIFYING_ALGORITHMS else None)
    if jwks is None and issuer is not None:
        return keys_of_issuer(issuer)
    return keys_for(token, jwks)


def _verifier(
    desk: Desk,
    text: str,
    token: Token,
    keys: Keys,
    issuer: str | None,
    audience: str | None,
    typ: str,
    leeway: float,
) -> Verifier:
    usable: tuple[PublicKey, ...]
    try:
        usable = (keys.prove(text),)
    except Trouble:
        usable = keys.found.keys  # the verifier finds the better words for the refusal
    claimed = token.claims.get("aud")
    claimed = claimed[0] if isinstance(claimed, list) and claimed else claimed
    try:
        return Verifier(
            issuer or str(token.claims.get("iss") or "(none)"),
            audience or str(claimed or "(none)"),
            algorithms=VERIFYING_ALGORITHMS,
            typ=typ,
            leeway=leeway,
            jwks={"keys": [dict(key.jwk) for key in usable]},
            clock=desk.clock,
        )
    except ValueError as error:
        raise Trouble("these options do not fit", received=str(error), status=2) from None


def _report(verified: VerifiedToken, keys: Keys, issuer: str | None, audience: str | None, now: float) -> None:
    header, claims = verified.header, verified.claims
    kid = f" kid={header['kid']}" if "kid" in header else ""
    meant_for = claims["aud"] if isinstance(claims["aud"], str) else ", ".join(claims["aud"])
    rows = [
        ("signature", f"matches public key{kid} ({header['alg']}) from {keys.source}"),
        ("issuer", claims["iss"] + ("" if issuer else "  (as it says; pass --issuer to pin it)")),
        ("audience", meant_for + ("" if audience else "  (as it says; pass --audience to pin it)")),
        ("subject", verified.subject),
        ("expires", say.moment(verified.expires_at, now)),
        ("scope", " ".join(verified.scopes)),
    ]
    say.line(click.style("valid", fg="green", bold=True))
    for name, text in rows:
        if text:
            say.line(f"  {name:<9}  {say.printable(text)}")
    say.note("only the public key was needed; it checks signatures and cannot make any")
