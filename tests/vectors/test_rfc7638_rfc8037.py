"""Key names and Ed25519: RFC 7638 section 3.1, RFC 8037 appendix A."""

import asyncio
import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from idp.jose import JoseError, LocalSigner, PublicKey, Token, thumbprint
from idp.jose.compact import SignedToken

RSA_KEY = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbf"
    "AAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
    "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65"
    "YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
    "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lF"
    "d2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
    "nqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
ED_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
ED_PRIVATE = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
ED_MESSAGE = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
ED_SIGNATURE = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(
    ("jwk", "expected"),
    [
        pytest.param(RSA_KEY, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", id="RFC 7638 3.1"),
        pytest.param(ED_KEY, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", id="RFC 8037 A.3"),
    ],
)
def test_thumbprints(jwk: dict[str, Any], expected: str) -> None:
    assert thumbprint(jwk) == expected
    assert thumbprint({**jwk, "use": "sig", "x5t": "more"}) == expected, "optional members do not count"


@pytest.mark.parametrize("jwk", [{}, {"kty": "oct", "k": "AA"}, {"kty": "RSA", "n": "AQ"}, {"kty": ["RSA"]}])
def test_what_has_no_thumbprint(jwk: dict[str, Any]) -> None:
    with pytest.raises(JoseError) as refusal:
        thumbprint(jwk)
    assert refusal.value.reason == "key"


def test_ed25519_signs_the_published_signature() -> None:
    """RFC 8037 A.4; Ed25519 is deterministic, so the bytes themselves are compared."""
    signer = LocalSigner(Ed25519PrivateKey.from_private_bytes(raw(ED_PRIVATE)), "a", "EdDSA")
    assert {name: signer.jwk()[name] for name in ED_KEY} == ED_KEY
    assert asyncio.run(signer.sign(ED_MESSAGE)) == raw(ED_SIGNATURE)


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_ed25519_verifies_the_published_signature(alg: str) -> None:
    """RFC 8037 A.5, under both names of the algorithm (RFC 9864)."""
    key, token = PublicKey.from_jwk(ED_KEY), Token({"alg": alg}, {})
    assert SignedToken(token, ED_MESSAGE, raw(ED_SIGNATURE)).proved_by(key) is token
    with pytest.raises(JoseError, match="signature does not match"):
        SignedToken(token, ED_MESSAGE + b"x", raw(ED_SIGNATURE)).proved_by(key)
