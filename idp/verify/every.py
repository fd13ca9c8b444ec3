"""Every reason a verifier would have to refuse a token, where ``Verifier`` stops at the first.

No rule stands here. A copy of the token is mended where it was refused and shown again, until nothing is left to
refuse; it is signed with a key made for it, so that the signature of the token itself is judged apart.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idp.jose import LocalSigner, generate_private_key
from idp.jose.compact import Token, read_signed, read_unverified
from idp.jose.encoding import b64url
from idp.jose.errors import JoseError
from idp.jose.keyset import KeySet
from idp.jose.public import VERIFYING_ALGORITHMS

from .refused import Refused
from .verifier import Verifier

# In the order of a verifier; the first that is refused decides.
CHECKS = (
    "form", "alg", "crit", "typ", "iss", "aud", "exp", "nbf", "iat", "sub", "scope", "claims", "key", "signature",
    "cnf", "scopes",
)  # fmt: skip
_BY_REASON = {
    "algorithm": "alg", "critical": "crit", "typ": "typ", "issuer": "iss", "audience": "aud", "expired": "exp",
    "not_yet_valid": "nbf", "future": "iat", "subject": "sub", "unknown_key": "key", "signature": "signature",
    "bound": "cnf", "scope": "scopes",
}  # fmt: skip
# Refused for its form. What else a token has to carry is one check for all of it.
_BY_CLAIM = {"exp": "exp", "nbf": "nbf", "iat": "iat", "scope": "scope", "scp": "scope"}
_MOST = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """What the resource server accepts, as the arguments of ``Verifier`` say it."""

    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    typ: tuple[str, ...] = ("at+jwt",)
    leeway: float = 30
    scopes: tuple[str, ...] = ()


def every_refusal(token: str, asked: Asked, jwks: Mapping[str, Any] | None, now: float) -> dict[str, Refused]:
    """By name of ``CHECKS``, in that order; empty where the token would be taken. ``now`` in Unix seconds.

    Without ``jwks`` key and signature are not judged. Raises ``ValueError`` where ``asked`` is no verifier's.
    """
    try:
        parts = read_unverified(token)
    except JoseError as error:
        return {"alg" if error.reason == "algorithm" else "form": _refused(error)}
    found = {**_of_header(parts.header, asked), **_of_claims(parts, asked, now)}
    if jwks is not None:
        found |= _of_signature(token, parts.header, jwks)
    return {name: found[name] for name in CHECKS if name in found}


def _of_header(header: Mapping[str, Any], asked: Asked) -> dict[str, Refused]:
    found: dict[str, Refused] = {}
    shown = dict(header)
    for _ in range(_MOST):
        try:
            read_signed(_text(shown, {}), algorithms=asked.algorithms, typ=asked.typ)
            break
        except JoseError as error:
            name = _BY_REASON.get(error.reason, "form")
            if name in found:
                break
            found[name] = _refused(error)
        shown = {key: value for key, value in shown.items() if key not in (name, "b64" if name == "crit" else name)}
        mended = {"alg": asked.algorithms[0], "typ": asked.typ[0]}
        shown |= {name: mended[name]} if name in mended else {}
    return found


def _of_claims(parts: Token, asked: Asked, now: float) -> dict[str, Refused]:
    signer = LocalSigner(generate_private_key("ES256"), "copy", "ES256")
    verifier = Verifier(
        asked.issuer,
        asked.audience,
        algorithms=(*asked.algorithms, "ES256"),
        typ=asked.typ,
        leeway=asked.leeway,
        jwks={"keys": [signer.jwk()]},
        clock=lambda: now,
    )
    header = {"alg": "ES256", "kid": "copy", **({"typ": asked.typ[0]} if asked.typ[0] else {})}

    def refusal(claims: Mapping[str, Any]) -> Refused | None:
        message = _text(header, claims).rpartition(".")[0]
        copy = f"{message}.{b64url(signer.sign_now(message.encode())).decode()}"
        try:
            verifier.verify_sync(copy, asked.scopes)
        except Refused as refused:
            return refused
        return None

    found: dict[str, Refused] = {}
    claims = dict(parts.claims)
    for _ in range(_MOST):
        refused = refusal(claims)
        if refused is None:
            break
        for member, value in _mends(refused, asked, now):
            mended = {key: kept for key, kept in claims.items() if key != member}
            mended |= {member: value} if value is not None else {}
            # Which claim has the wrong form is seen by what another one in its place changes.
            if refused.reason != "claim" or str(refusal(mended)) != str(refused):
                break
        if mended == claims:
            break
        found.setdefault(_BY_REASON.get(refused.reason) or _BY_CLAIM.get(member, "claims"), refused)
        claims = mended
    return found


def _mends(refused: Refused, asked: Asked, now: float) -> tuple[tuple[str, Any], ...]:
    """The claim that was refused with what would pass in its place, None being nothing; more than one to be tried."""
    known: dict[str, tuple[str, Any]] = {
        "issuer": ("iss", asked.issuer),
        "audience": ("aud", asked.audience[0]),
        "expired": ("exp", now + 60),
        "not_yet_valid": ("nbf", None),
        "future": ("iat", now),
        "subject": ("sub", "somebody"),
        "bound": ("cnf", None),
        "scope": ("scope", " ".join(asked.scopes)),
    }
    if refused.reason in known:
        return (known[refused.reason],)
    forms = (("exp", now + 60), ("nbf", None), ("iat", now), ("scope", None), ("scp", None))
    # What a kind of token has to carry is refused by its name.
    lacking = refused.expected if refused.received == "missing" else None
    return (*forms, (lacking, "anything")) if lacking else forms


def _of_signature(token: str, header: Mapping[str, Any], jwks: Mapping[str, Any]) -> dict[str, Refused]:
    try:
        signed = read_signed(token, algorithms=VERIFYING_ALGORITHMS, typ=(str(header.get("typ", "")),))
        keys = KeySet.from_jwks(jwks, VERIFYING_ALGORITHMS)
        key = keys.select(header)
        if key is None:
            raise keys.unknown(header)
        signed.proved_by(key)
    except JoseError as error:
        if error.reason in ("algorithm", "critical") and header.get("alg") not in VERIFYING_ALGORITHMS:
            return {}  # there is nothing to compute, and that was said of the header
        name = _BY_REASON.get(error.reason, "key")
        return {name if name in ("key", "signature") else "key": _refused(error)}
    return {}


def _text(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    parts = (json.dumps(dict(header)).encode(), json.dumps(dict(claims)).encode())
    return ".".join(b64url(part).decode() for part in parts) + "."


def _refused(error: JoseError) -> Refused:
    return Refused(error.reason, str(error), received=error.received, expected=error.expected)
