"""Bad tokens anybody can make from a good one: the tries of ``idp probe``, each one request."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from idp.jose import LocalSigner, PublicKey, read_unverified
from idp.jose.encoding import b64url, b64url_decode

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Try:
    """One request: ``how`` says in a few words what it shows, ``query`` stands behind the API's address."""

    row: str
    how: str
    headers: Headers = ()
    query: Headers = ()


@dataclass(frozen=True, slots=True)
class Material:
    """``signed`` are tokens by row that the issuer's key signed, ``key`` is the one behind ``good``.

    ``stranger`` signs ES256; ``keys_at`` and ``certificate_at`` are addresses of its key as JWK Set and certificate,
    empty where the API could not reach any; ``certificate`` is the latter in base64 (RFC 7515 4.1.6).
    """

    good: str
    key: PublicKey
    stranger: LocalSigner
    signed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    keys_at: str = ""
    certificate_at: str = ""
    certificate: str = ""


def bearer(token: str) -> Headers:
    return (("Authorization", f"Bearer {token}"),)


def tries(material: Material) -> Iterator[Try]:
    """Every request of the catalogue that this material is enough for."""
    for row, how, token in (*_unsigned(material), *_strangers(material), *_broken(material)):
        yield Try(row, how, bearer(token))
    for row, tokens in material.signed.items():
        for number, token in enumerate(tokens, 1):
            yield Try(row, f"signed by the issuer, {number} of {len(tokens)}", bearer(token))
    broken = _flipped(material.good)
    yield Try("two-headers", "the good one first", bearer(material.good) + bearer(broken))
    yield Try("two-headers", "the bad one first", bearer(broken) + bearer(material.good))
    yield Try("query-token", "once", query=(("access_token", material.good),))
    yield Try("query-token", "twice", query=(("access_token", material.good), ("access_token", broken)))


def _unsigned(material: Material) -> Iterator[tuple[str, str, str]]:
    good = read_unverified(material.good)
    for spelling in ("none", "None", "NONE", "nOnE"):
        yield "alg-none", spelling, _text({**good.header, "alg": spelling}, good.claims)
    signature = material.good.rpartition(".")[2]
    yield "alg-none", "none, with a signature", _text({**good.header, "alg": "none"}, good.claims) + signature
    for how, secret in _public_as_secret(material.key):
        yield "hs256-public", how, _hs256({**good.header, "alg": "HS256"}, good.claims, secret)
    for how, kid, secret in (
        ("an empty file", "../../../../../../../dev/null", b""),
        ("an empty file, absolute", "/dev/null", b""),
        ("SQL", "x' UNION SELECT 'probe' -- ", b"probe"),
    ):
        yield "kid-path", how, _hs256({**good.header, "alg": "HS256", "kid": kid}, good.claims, secret)


def _public_as_secret(key: PublicKey) -> Iterator[tuple[str, bytes]]:
    """The spellings of a public key that libraries have taken for a secret."""
    pem = key.to_pem()
    yield "PEM", pem
    yield "PEM without its last line end", pem.rstrip(b"\n")
    yield "DER", b64decode(b"".join(line for line in pem.splitlines() if not line.startswith(b"-----")))
    yield "JWK", json.dumps(dict(key.jwk), separators=(",", ":")).encode()


def _strangers(material: Material) -> Iterator[tuple[str, str, str]]:
    good = read_unverified(material.good)
    jwk = dict(material.stranger.jwk())
    theirs = {**good.header, "alg": "ES256", "kid": jwk["kid"]}

    def signed(**members: Any) -> str:
        return _signed(material.stranger, {**theirs, **members}, good.claims)

    yield "bad-signature", "of another key, under the good kid", signed(kid=good.header.get("kid", ""))
    yield "unknown-kid", "a stranger's", signed()
    yield "unknown-kid", "none at all", _signed(material.stranger, _without(theirs, "kid"), good.claims)
    yield "jwk-header", "the key itself", signed(jwk=jwk)
    yield "jwk-header", "under the good kid", signed(jwk=jwk, kid=good.header.get("kid", ""))
    if material.keys_at:
        yield "jku-header", "an address on this machine", signed(jku=material.keys_at)
        yield "jku-header", "in kid", signed(kid=material.keys_at)
    if material.certificate_at:
        yield "x5u-header", "an address on this machine", signed(x5u=material.certificate_at)
    if material.certificate:
        yield "x5u-header", "the certificate itself (x5c)", signed(x5c=[material.certificate])


def _broken(material: Material) -> Iterator[tuple[str, str, str]]:
    head, payload, signature = material.good.split(".")
    good = read_unverified(material.good)
    yield "bad-signature", "one bit changed", _flipped(material.good)
    more = f"{good.claims.get('scope', '')} admin".strip()
    changed = _part({**good.claims, "sub": "somebody-else", "scope": more})
    yield "changed-payload", "sub and scope", f"{head}.{changed}.{signature}"
    yield "truncated", "the signature is empty", f"{head}.{payload}."
    yield "truncated", "two parts", f"{head}.{payload}"
    yield "truncated", "half of the signature", f"{head}.{payload}.{signature[: len(signature) // 8 * 4]}"
    for bound in (material.good, *material.signed.get("bound-as-bearer", ())):
        token = read_unverified(bound)
        if "cnf" in token.claims:
            own_head, _, own_signature = bound.split(".")
            yield "stripped-cnf", "cut out", f"{own_head}.{_part(_without(token.claims, 'cnf'))}.{own_signature}"


def _flipped(token: str) -> str:
    message, _, signature = token.rpartition(".")
    data = bytearray(b64url_decode(signature.encode(), "signature"))
    data[len(data) // 2] ^= 1
    return f"{message}.{b64url(bytes(data)).decode()}"


def _hs256(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    text = _text(header, claims)
    code = hmac.digest(secret, text[:-1].encode(), hashlib.sha256)
    return text + b64url(code).decode()


def _signed(signer: LocalSigner, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    text = _text(header, claims)
    return text + b64url(signer.sign_now(text[:-1].encode())).decode()


def _text(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """Header and payload with a dot behind each: the signature may follow."""
    return f"{_part(header)}.{_part(claims)}."


def _part(members: Mapping[str, Any]) -> str:
    return b64url(json.dumps(dict(members), separators=(",", ":")).encode()).decode()


def _without(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != name}
