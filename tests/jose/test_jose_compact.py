"""Signing and proving compact tokens: what passes, and which headers and signatures must not."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from jose_tokens import BODY, CLAIMS, GOOD, HEAD, HEADER, KEYS, SIGNATURE, SIGNERS, b64, by_kid, signed, verify

from idp.jose import JoseError, LocalSigner, generate_private_key, read_unverified, sign_compact, verify_compact
from idp.jose.keys import SIGNING_ALGORITHMS


@pytest.mark.parametrize("alg", SIGNING_ALGORITHMS)
def test_what_is_signed_is_proved(alg: str) -> None:
    token = asyncio.run(sign_compact(SIGNERS[alg], "at+jwt", CLAIMS))
    proved = verify_compact(token, by_kid, algorithms=(alg,), typ=("at+jwt",))
    assert proved.claims == CLAIMS
    assert proved.header == {"alg": alg, "kid": f"kid-{alg}", "typ": "at+jwt"}
    assert read_unverified(token) == proved


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+JWT"])
def test_the_type_ignores_case_and_prefix(typ: str) -> None:
    assert verify(signed({**HEADER, "typ": typ})) == CLAIMS


def test_a_token_without_type_passes_only_where_that_is_asked_for() -> None:
    token = signed({"alg": "ES256", "kid": "kid-ES256"})
    assert verify(token, typ=("JWT", "")) == CLAIMS
    with pytest.raises(JoseError, match="typ is missing, expected JWT"):
        verify(token, typ=("JWT",))


def test_keys_and_addresses_in_the_header_are_never_used() -> None:
    stranger = generate_private_key("ES256")
    attacker = LocalSigner(stranger, "mallory", "ES256")
    header = {
        **HEADER,
        "jwk": dict(attacker.jwk()),
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/cert",
        "x5c": ["MIIB"],
    }
    assert verify(signed(header)) == CLAIMS, "our key decides, the rest is noise"
    message = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(CLAIMS).encode())}"
    forged = f"{message}.{b64(attacker.sign_now(message.encode()))}"
    with pytest.raises(JoseError) as refusal:
        verify(forged)
    assert refusal.value.reason == "signature"


def test_a_large_header_of_a_proof_is_read_up_to_the_limit() -> None:
    header = {**HEADER, "typ": "application/at+jwt", "jwk": {**SIGNERS["RS256"].jwk(), "x5t": "t" * 27}}
    assert len(json.dumps(header)) > 512
    assert verify(signed(header)) == CLAIMS
    with pytest.raises(JoseError) as refusal:
        verify(signed({**HEADER, "pad": "x" * 4096}))
    assert refusal.value.reason == "too_large"


def hmac_token(secret: bytes) -> str:
    message = f"{b64(json.dumps({**HEADER, 'alg': 'HS256'}).encode())}.{b64(json.dumps(CLAIMS).encode())}"
    return f"{message}.{b64(hmac.new(secret, message.encode(), hashlib.sha256).digest())}"


PEM = KEYS["RS256"].to_pem()
CONFUSED = {
    "none": lambda: signed({**HEADER, "alg": "none"}),
    "NoNe": lambda: signed({**HEADER, "alg": "NoNe"}),
    "none and no signature": lambda: signed({**HEADER, "alg": "none"}).rpartition(".")[0] + ".",
    "HS256 with the PEM": lambda: hmac_token(PEM),
    "HS256 with the JWK": lambda: hmac_token(json.dumps(dict(KEYS["RS256"].jwk)).encode()),
    "HS256 with the modulus": lambda: hmac_token(KEYS["RS256"].jwk["n"].encode()),
    "HS256 with nothing": lambda: hmac_token(b""),
    "another algorithm than the key's": lambda: signed({**HEADER, "alg": "RS256"}),
    "PS256 with the RS256 key": lambda: signed({**HEADER, "alg": "PS256", "kid": "kid-RS256"}, alg="PS256"),
    "RS256 signature under the PS256 key": lambda: signed({**HEADER, "alg": "RS256", "kid": "kid-PS256"}),
    "unknown": lambda: signed({**HEADER, "alg": "XX999"}),
    "no alg": lambda: signed({"kid": "kid-ES256", "typ": "at+jwt"}),
    "not in the list": lambda: signed({**HEADER, "alg": "ES384"}),
}


@pytest.mark.parametrize("make", CONFUSED.values(), ids=CONFUSED)
def test_algorithm_confusion(make: Callable[[], str]) -> None:
    with pytest.raises(JoseError) as refusal:
        verify(make())
    assert refusal.value.reason == "algorithm"


@pytest.mark.parametrize("allowed", [(), ("RS256",), ("RS256", "HS256", "none")])
def test_a_good_signature_by_an_algorithm_that_is_not_listed(allowed: tuple[str, ...]) -> None:
    with pytest.raises(JoseError) as refusal:
        verify_compact(GOOD, by_kid, algorithms=allowed, typ=("at+jwt",))
    assert (refusal.value.reason, refusal.value.received) == ("algorithm", "ES256")


POLICY = {
    "crit unknown": ({**HEADER, "crit": ["exp2"], "exp2": 1}, "critical"),
    "crit b64": ({**HEADER, "crit": ["b64"], "b64": False}, "critical"),
    "crit empty": ({**HEADER, "crit": []}, "critical"),
    "crit null": ({**HEADER, "crit": None}, "critical"),
    "crit a number": ({**HEADER, "crit": 5}, "critical"),
    "crit of a known member": ({**HEADER, "crit": ["alg"]}, "critical"),
    "b64 false": ({**HEADER, "b64": False}, "critical"),
    "b64 true": ({**HEADER, "b64": True}, "critical"),
    "typ of an ID token": ({**HEADER, "typ": "JWT"}, "typ"),
    "typ missing": ({"alg": "ES256", "kid": "kid-ES256"}, "typ"),
    "typ with twice the prefix": ({**HEADER, "typ": "application/application/at+jwt"}, "typ"),
    "typ with a space": ({**HEADER, "typ": "at+jwt "}, "typ"),
    "kid unknown": ({**HEADER, "kid": "nobody"}, "unknown_key"),
    "kid missing": ({"alg": "ES256", "typ": "at+jwt"}, "unknown_key"),
    "kid a path": ({**HEADER, "kid": "../../etc/passwd"}, "unknown_key"),
    "kid SQL": ({**HEADER, "kid": "' OR 1=1--"}, "unknown_key"),
    "kid NUL": ({**HEADER, "kid": "kid-ES256\x00"}, "unknown_key"),
    "kid of 3 kB": ({**HEADER, "kid": "k" * 3000}, "unknown_key"),
    "kid a number": ({**HEADER, "kid": 7}, "malformed"),
    "kid null": ({**HEADER, "kid": None}, "malformed"),
    "kid a list": ({**HEADER, "kid": ["kid-ES256"]}, "malformed"),
    "kid an object": ({**HEADER, "kid": {"kid": "kid-ES256"}}, "malformed"),
    "alg a list": ({**HEADER, "alg": ["ES256"]}, "malformed"),
    "alg null": ({**HEADER, "alg": None}, "malformed"),
    "typ a list": ({**HEADER, "typ": ["at+jwt"]}, "malformed"),
    "header a list": ([HEADER], "malformed"),
    "header a text": ("header", "malformed"),
    "header null": (None, "malformed"),
    "header a number": (1, "malformed"),
    "header no JSON": (b"\x00\x01", "malformed"),
    "header not UTF-8": (b'{"alg":"ES256","kid":"\xff"}', "malformed"),
    "header UTF-16": (json.dumps(HEADER).encode("utf-16"), "malformed"),
    "header with BOM": (b"\xef\xbb\xbf" + json.dumps(HEADER).encode(), "malformed"),
    "header twice alg": (b'{"alg":"none","alg":"ES256","kid":"kid-ES256","typ":"at+jwt"}', "malformed"),
    "header twice in depth": (b'{"alg":"ES256","jwk":{"x":1,"x":2}}', "malformed"),
    "header trailing": (json.dumps(HEADER).encode() + b"{}", "malformed"),
    "header deep": (b'{"alg":"ES256","x":' + b"[" * 900 + b"]" * 900 + b"}", "malformed"),
    "header empty": (b"", "malformed"),
}


@pytest.mark.parametrize(("header", "reason"), POLICY.values(), ids=POLICY)
def test_headers(header: Any, reason: str) -> None:
    with pytest.raises(JoseError) as refusal:
        verify(signed(header))
    assert refusal.value.reason == reason
    assert str(refusal.value).isascii()
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize("alg", SIGNING_ALGORITHMS)
@pytest.mark.parametrize("signature", [b"", b"\x00", b"\x00" * 64, b"\xff" * 64, b"\x00" * 256, b"\xff" * 9000])
def test_odd_signatures(alg: str, signature: bytes) -> None:
    token = signed({**HEADER, "alg": alg, "kid": f"kid-{alg}"})
    with pytest.raises(JoseError) as refusal:
        verify(f"{token.rpartition('.')[0]}.{b64(signature)}")
    assert refusal.value.reason == "signature"


def test_an_ecdsa_signature_in_der_is_refused() -> None:
    """RFC 7518 section 3.4 wants r and s side by side: a second encoding would be a second token."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    raw = base64.urlsafe_b64decode(SIGNATURE + "==")
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    with pytest.raises(JoseError, match="signature"):
        verify(f"{HEAD}.{BODY}.{b64(der)}")


def test_a_refusal_never_shows_claims_or_signature() -> None:
    for header, _ in POLICY.values():
        token = signed(header, {"secret": "hunter2"})
        with pytest.raises(JoseError) as refusal:
            verify(token)
        assert "hunter2" not in str(refusal.value)
        assert token.rpartition(".")[2] not in str(refusal.value)


def test_numbers_that_are_no_json_are_not_signed() -> None:
    with pytest.raises(ValueError, match="JSON"):
        asyncio.run(sign_compact(SIGNERS["ES256"], "at+jwt", {"exp": float("nan")}))
