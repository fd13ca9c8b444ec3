"""What a verifier accepts and refuses, offline with a static key set."""

import asyncio
import json
import re
from typing import Any

import pytest
from verify_tokens import AUDIENCE, CLAIMS, ES, ISSUER, NEXT, NOW, RS, STRANGER, jwks, odd_token, token

from idp.jose import PublicKey
from idp.verify import Refused, VerifiedToken, Verifier

STATIC: dict[str, Any] = {"jwks": jwks(ES, RS), "clock": lambda: NOW}
VERIFIER = Verifier(ISSUER, AUDIENCE, **STATIC)


def refusal(text: Any, verifier: Verifier = VERIFIER, **asked: Any) -> Refused:
    """The same refusal from both doors."""
    with pytest.raises(Refused) as first:
        verifier.verify_sync(text, **asked)
    with pytest.raises(Refused) as second:
        asyncio.run(verifier.verify(text, **asked))
    assert (first.value.reason, str(first.value)) == (second.value.reason, str(second.value))
    return first.value


@pytest.mark.parametrize("signer", [ES, RS], ids=["ES256", "RS256"])
def test_a_good_token(signer: Any) -> None:
    expected = VerifiedToken(
        claims=CLAIMS,
        header={"alg": signer.jwk()["alg"], "kid": signer.jwk()["kid"], "typ": "at+jwt"},
        subject="alice",
        scopes=("read", "write"),
        expires_at=NOW + 290,
    )
    assert VERIFIER.verify_sync(token(signer)) == expected
    assert asyncio.run(VERIFIER.verify(token(signer))) == expected


ACCEPTED = {
    "audience in a list": {"aud": ["other", AUDIENCE]},
    "no scope": {"scope": ""},
    "expired within the leeway": {"exp": NOW - 29},
    "not yet valid within the leeway": {"nbf": NOW + 30},
    "issued in the future within the leeway": {"iat": NOW + 30},
    "times with fractions": {"exp": NOW + 0.5, "iat": NOW - 0.5},
    "sub of figures": {"sub": "12345"},
    "unknown claims": {"x": {"y": [1, {"z": None}]}},
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(changes: dict[str, Any]) -> None:
    assert VERIFIER.verify_sync(token(**changes)).claims == {**CLAIMS, **changes}


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "another audience": ({"aud": "api-a"}, "audience", f"aud is api-a, this is {AUDIENCE}"),
    "audiences without us": ({"aud": ["a", "b"]}, "audience", "aud is a, b, this is"),
    "audience empty": ({"aud": []}, "audience", "aud is empty"),
    "audience with a slash more": ({"aud": AUDIENCE + "/"}, "audience", "aud is https://api.example.com/,"),
    "audience a number": ({"aud": 5}, "audience", "aud is 5"),
    "audience null": ({"aud": None}, "audience", "aud is None"),
    "audience an object": ({"aud": {AUDIENCE: 1}}, "audience", "aud is {"),
    "audience list with a number": ({"aud": [AUDIENCE, 5]}, "audience", "aud is ["),
    "audience part of it": ({"aud": AUDIENCE[:-1]}, "audience", "aud is"),
    "another issuer": ({"iss": "https://evil.example"}, "issuer", "iss is https://evil.example, expected"),
    "issuer with a slash": ({"iss": ISSUER + "/"}, "issuer", "they differ in the slash at the end"),
    "issuer in capitals": ({"iss": ISSUER.upper()}, "issuer", "iss is HTTPS://ID"),
    "issuer in a list": ({"iss": [ISSUER]}, "issuer", "iss is ["),
    "issuer with more behind": ({"iss": ISSUER + ".evil.example"}, "issuer", "iss is"),
    "issuer null": ({"iss": None}, "issuer", "iss is None"),
    "expired": ({"exp": NOW - 72}, "expired", "expired 1 min 12 s ago"),
    "expired at the leeway": ({"exp": NOW - 30}, "expired", "expired 30 s ago"),
    "expired long ago": ({"exp": 0}, "expired", "expired 20416 d 16 h ago"),
    "expired before the epoch": ({"exp": -1e12}, "expired", "expired"),
    "exp a text": ({"exp": str(NOW + 60)}, "claim", "exp is 1764000060.0, expected a number"),
    "exp null": ({"exp": None}, "claim", "exp is None"),
    "exp true": ({"exp": True}, "claim", "exp is True"),
    "exp a list": ({"exp": [NOW + 60]}, "claim", "exp is ["),
    "not yet valid": ({"nbf": NOW + 31}, "not_yet_valid", "valid only in 31 s"),
    "nbf a text": ({"nbf": "0"}, "claim", "nbf is 0"),
    "issued in the future": ({"iat": NOW + 3700}, "future", "issued 1 h 1 min in the future"),
    "iat false": ({"iat": False}, "claim", "iat is False"),
    "sub a number": ({"sub": 12345}, "subject", "sub is 12345, expected a text"),
    "sub null": ({"sub": None}, "subject", "sub is None"),
    "sub empty": ({"sub": ""}, "subject", "sub is , expected"),
    "sub a list": ({"sub": ["alice"]}, "subject", "sub is ["),
    "scope a list": ({"scope": ["read"]}, "claim", "scope is ["),
    "no aud": ({"without": "aud"}, "audience", "aud is missing"),
    "no iss": ({"without": "iss"}, "issuer", "iss is missing"),
    "no exp": ({"without": "exp"}, "claim", "the token has no exp"),
    "no sub": ({"without": "sub"}, "subject", "sub is missing"),
    "an ID token": ({"typ": "JWT"}, "typ", "typ is JWT, expected at+jwt"),
    "a logout token": ({"typ": "logout+jwt"}, "typ", "typ is logout+jwt, expected at+jwt"),
    "a stranger's key under our kid": ({"signer": STRANGER}, "signature", "the signature does not match"),
    "a key of nobody": ({"signer": NEXT}, "unknown_key", 'kid "es-2"; the keys known are es-1, rs-1'),
}


@pytest.mark.parametrize(("changes", "reason", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(changes: dict[str, Any], reason: str, words: str) -> None:
    refused = refusal(token(**changes))
    assert refused.reason == reason
    assert words in str(refused)
    assert refused.status == 401
    assert refused.error == "invalid_token"


HEADER = {"alg": "ES256", "kid": "es-1", "typ": "at+jwt"}
HOSTILE: dict[str, tuple[Any, str]] = {
    "none": (odd_token({**HEADER, "alg": "none"}), "algorithm"),
    "none, no signature": (odd_token({**HEADER, "alg": "none"}).rpartition(".")[0] + ".", "algorithm"),
    "HS256": (odd_token({**HEADER, "alg": "HS256"}), "algorithm"),
    "alg of another key": (odd_token({**HEADER, "alg": "RS256"}), "algorithm"),
    "alg not configured": (odd_token({**HEADER, "alg": "EdDSA"}), "algorithm"),
    "crit": (odd_token({**HEADER, "crit": ["x"], "x": 1}), "critical"),
    "embedded key": (odd_token({**HEADER, "jwk": dict(STRANGER.jwk())}, CLAIMS, STRANGER), "signature"),
    "jku": (odd_token({**HEADER, "kid": "mine", "jku": "https://evil.example/"}), "unknown_key"),
    "kid a list": (odd_token({**HEADER, "kid": ["es-1"]}), "malformed"),
    "deep": (odd_token(HEADER, b'{"iss":' + b"[" * 3000 + b"]" * 3000 + b"}"), "malformed"),
    "long integer": (odd_token(HEADER, b'{"exp":' + b"1" * 5000 + b"}"), "malformed"),
    "twice a claim": (odd_token(HEADER, b'{"aud":"a","aud":"b"}'), "malformed"),
    "cut": (token()[:-42], "signature"),
    "cut in the claims": (token().rpartition(".")[0][:-9] + ".AAAA", "malformed"),
    "an encrypted token": (".".join(["eyJhbGciOiJkaXIifQ"] * 5), "malformed"),
    "huge": ("a" * 1_000_000, "too_large"),
    "not a text": (None, "malformed"),
}


@pytest.mark.parametrize(("text", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_hostile(text: Any, reason: str) -> None:
    refused = refusal(text)
    assert refused.reason == reason
    assert len(refused.www_authenticate()) < 500


@pytest.mark.parametrize("signature", ["", "A" * 86])
def test_good_claims_need_a_good_signature(signature: str) -> None:
    refused = refusal(f"{token().rpartition('.')[0]}.{signature}")
    assert refused.reason == "signature"


def test_scopes_are_required_after_everything_else() -> None:
    assert VERIFIER.verify_sync(token(), scopes="read").subject == "alice"
    assert VERIFIER.verify_sync(token(), scopes=["write", "read"]).subject == "alice"
    refused = refusal(token(), scopes=["read", "admin"])
    assert (refused.reason, refused.status, refused.error) == ("scope", 403, "insufficient_scope")
    assert str(refused) == "the token lacks the scope admin; it has read write"
    assert refused.www_authenticate() == (
        'Bearer error="insufficient_scope", error_description="the token lacks the scope admin; '
        'it has read write", scope="read admin"'
    )
    assert refusal(token(signer=STRANGER), scopes=["admin"]).reason == "signature"
    verified = VERIFIER.verify_sync(token(scope=""))
    with pytest.raises(Refused, match="it has none"):
        verified.require_scopes("read")
    verified.require_scopes()


def test_received_and_expected_are_values() -> None:
    refused = refusal(token(aud="api-a"), Verifier(ISSUER, "api-b", **STATIC))
    assert (refused.received, refused.expected) == ("api-a", "api-b")
    assert str(refused) == "aud is api-a, this is api-b"


def test_several_audiences() -> None:
    verifier = Verifier(ISSUER, ["api-a", "api-b"], **STATIC)
    assert verifier.verify_sync(token(aud="api-b"))
    assert "this is api-a or api-b" in str(refusal(token(aud="api-c"), verifier))


def test_no_leeway() -> None:
    verifier = Verifier(ISSUER, AUDIENCE, leeway=0, **STATIC)
    assert verifier.verify_sync(token(exp=NOW + 1))
    assert str(refusal(token(exp=NOW - 12), verifier)) == "expired 12 s ago; get a new token"
    assert refusal(token(exp=NOW), verifier).reason == "expired"


def test_other_types_where_asked_for() -> None:
    verifier = Verifier(ISSUER, AUDIENCE, typ=("JWT", ""), **STATIC)
    assert verifier.verify_sync(token(typ="jwt"))
    assert verifier.verify_sync(odd_token({"alg": "ES256", "kid": "es-1"}))
    assert refusal(token(), verifier).reason == "typ"


@pytest.mark.parametrize("form", ["dict", "text", "bytes"])
def test_static_keys_as_a_jwks(form: str) -> None:
    text = json.dumps(jwks(ES, RS))
    value: Any = {"dict": jwks(ES, RS), "text": text, "bytes": text.encode()}[form]
    verifier = Verifier(ISSUER, AUDIENCE, jwks=value, clock=lambda: NOW)
    assert verifier.verify_sync(token())


def test_static_keys_as_pem() -> None:
    pems = [PublicKey.from_jwk(signer.jwk()).to_pem() for signer in (ES, RS)]
    verifier = Verifier(ISSUER, AUDIENCE, jwks=b"words around\n" + b"\n".join(pems), clock=lambda: NOW)
    assert verifier.verify_sync(token(ES))
    assert verifier.verify_sync(token(RS))
    assert refusal(token(STRANGER), verifier).reason == "signature"
    only = Verifier(ISSUER, AUDIENCE, jwks=pems[0].decode(), clock=lambda: NOW)
    assert refusal(token(RS), only).reason == "unknown_key"


WRONG: dict[str, dict[str, Any]] = {
    "no issuer": {"issuer": ""},
    "no audience": {"audience": ""},
    "no audiences": {"audience": []},
    "an empty audience among others": {"audience": ["a", ""]},
    "symmetric": {"algorithms": ("HS256",)},
    "none": {"algorithms": ("none",)},
    "no algorithm": {"algorithms": ()},
    "no type": {"typ": ()},
    "negative leeway": {"leeway": -1},
    "leeway of an hour": {"leeway": 3600},
    "negative cooldown": {"cooldown": -1},
    "no key in the set": {"jwks": {"keys": []}},
    "junk for keys": {"jwks": "junk"},
    "plain http": {"jwks": None, "issuer": "http://id.example.com"},
    "no address": {"jwks": None, "issuer": "id.example.com"},
    "plain http for the keys": {"jwks": None, "jwks_uri": "http://id.example.com/jwks"},
    "a file": {"jwks": None, "jwks_uri": "file:///etc/passwd"},
}


@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_refused_at_once(arguments: dict[str, Any]) -> None:
    base: dict[str, Any] = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks(ES)}
    with pytest.raises(ValueError, match=r"\w"):
        Verifier(**{**base, **arguments})


def test_a_private_key_for_a_public_one_is_named() -> None:
    from idp.jose.keys import generate_private_key, private_key_to_pem

    pem = private_key_to_pem(generate_private_key("ES256"))
    with pytest.raises(ValueError, match="it holds a private key"):
        Verifier(ISSUER, AUDIENCE, jwks=pem)


def test_nothing_secret_or_unprintable_reaches_the_header() -> None:
    nasty = 'x"\r\nSet-Cookie: a=b\\é\x00\u202e'
    for changes in ({"aud": nasty}, {"iss": nasty}, {"sub": [nasty]}, {"scope": {nasty: 1}}):
        text = refusal(token(**changes)).www_authenticate(realm=nasty)
        assert re.fullmatch(r'Bearer [a-z_]+="[ !#-\[\]-~]*"(, [a-z_]+="[ !#-\[\]-~]*")*', text)
    assert "scope" not in refusal(token(aud="x")).www_authenticate()


def test_a_refusal_without_token_names_no_error() -> None:
    """RFC 6750 section 3.1: a request without authentication gets the challenge alone."""
    missing = Refused("missing_token", "no token came with the request")
    assert (missing.status, missing.error, missing.www_authenticate()) == (401, None, "Bearer")
    address = "https://api.example.com/.well-known/oauth-protected-resource"
    assert missing.www_authenticate(resource_metadata=address) == f'Bearer resource_metadata="{address}"'
