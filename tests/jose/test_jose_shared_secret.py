"""HMAC under a shared secret: by the published examples, and in its bounds (RFC 7515, RFC 7518 section 3.2)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from idp.jose import JoseError, verify_compact
from idp.jose.shared_secret import MAC_ALGORITHMS, MOST_OCTETS, least_octets, verify_mac

# RFC 7515 A.1.1: the key, and the JWS.
A1_KEY = base64.urlsafe_b64decode(
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow=="
)
A1_JWS = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
    "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)
SECRET = b"0123456789abcdef" * 4
HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def made(secret: bytes, alg: str = "HS256", **header: Any) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": alg, "typ": "JWT", **header}, {"iss": "me"})]
    message = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.new(secret, message, HASHES.get(alg, hashlib.sha256)).digest()
    return (message + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def read(text: str, *secrets: bytes, algorithms: tuple[str, ...] = MAC_ALGORITHMS) -> Any:
    return verify_mac(text, secrets, algorithms=algorithms, typ=("JWT",)).claims


def reason(text: str, *secrets: bytes, algorithms: tuple[str, ...] = MAC_ALGORITHMS) -> str:
    with pytest.raises(JoseError) as refused:
        read(text, *secrets, algorithms=algorithms)
    return refused.value.reason


def test_rfc_7515_a_1() -> None:
    assert read(A1_JWS, A1_KEY)["iss"] == "joe"
    assert reason(A1_JWS, A1_KEY[:-1] + b"\0") == "signature"


@pytest.mark.parametrize("alg", MAC_ALGORITHMS)
def test_any_of_the_secrets_proves_it_in_its_bounds(alg: str) -> None:
    least = least_octets(alg)
    assert least == HASHES[alg]().digest_size
    for secret in (SECRET[:least], SECRET):
        assert read(made(secret, alg), b"x" * 64, secret) == {"iss": "me"}
    assert reason(made(SECRET[: least - 1], alg), SECRET[: least - 1]) == "unknown_key"
    assert reason(made(SECRET, alg)) == "unknown_key"
    assert reason(made(b"", alg), b"") == "unknown_key"
    assert reason(made(SECRET, alg), b"x" * 64) == "signature"


def test_a_key_that_hmac_would_hash_first_is_no_key() -> None:
    """RFC 2104 section 2: the hash of a longer key signs as well as the key."""
    long = b"k" * (MOST_OCTETS + 1)
    assert made(long) == made(hashlib.sha256(long).digest())
    assert reason(made(long), long) == "unknown_key"


@pytest.mark.parametrize("alg", ["none", "hs256", "RS256", "ES256", "HS1", ""])
def test_other_algorithms_are_refused(alg: str) -> None:
    assert reason(made(SECRET, alg), SECRET) == "algorithm"


def test_only_the_algorithms_asked_for() -> None:
    assert reason(made(SECRET, "HS256"), SECRET, algorithms=("HS512",)) == "algorithm"
    assert reason(made(SECRET, "HS256"), SECRET, algorithms=("RS256",)) == "algorithm"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"crit": ["exp"]}, "critical"),
        ({"b64": False}, "critical"),
        ({"typ": "at+jwt"}, "typ"),
        ({"kid": 7}, "malformed"),
    ],
)
def test_the_form_is_that_of_every_token(header: dict[str, Any], why: str) -> None:
    assert reason(made(SECRET, **header), SECRET) == why


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d.e", made(SECRET)[:-1], made(SECRET) + "=", "é.b.c"])
def test_what_is_no_token(text: str) -> None:
    assert reason(text, SECRET) in ("malformed", "signature")


@pytest.mark.parametrize("alg", MAC_ALGORITHMS)
def test_nothing_else_of_the_policy_reads_an_hmac(alg: str) -> None:
    with pytest.raises(JoseError) as refused:
        verify_compact(made(SECRET, alg), lambda header: None, algorithms=(alg,), typ=("JWT",))
    assert refused.value.reason == "algorithm"
