"""Tokens and keys across the border: PyJWT as the other side."""

import asyncio
import json

import jwt
import pytest

from idp.jose import JoseError, LocalSigner, PublicKey, generate_private_key, sign_compact, verify_compact
from idp.jose.keys import SIGNING_ALGORITHMS, private_key_to_pem

CLAIMS = {"sub": "Zoë", "aud": "api", "exp": 4_000_000_000}
KEYS = {alg: generate_private_key(alg) for alg in SIGNING_ALGORITHMS}


@pytest.mark.parametrize("alg", SIGNING_ALGORITHMS)
def test_ours_is_read_there(alg: str) -> None:
    signer = LocalSigner(KEYS[alg], "k", alg)
    token = asyncio.run(sign_compact(signer, "at+jwt", CLAIMS))
    theirs = jwt.PyJWK.from_json(json.dumps(dict(signer.jwk())))
    assert jwt.decode(token, theirs, algorithms=[alg], audience="api") == CLAIMS
    assert jwt.get_unverified_header(token) == {"alg": alg, "kid": "k", "typ": "at+jwt"}
    pem = PublicKey.from_jwk(signer.jwk()).to_pem()
    assert jwt.decode(token, pem, algorithms=[alg], audience="api") == CLAIMS


@pytest.mark.parametrize("alg", SIGNING_ALGORITHMS)
def test_theirs_is_read_here(alg: str) -> None:
    token = jwt.encode(CLAIMS, private_key_to_pem(KEYS[alg]), alg, headers={"kid": "k"})
    key = PublicKey.from_jwk(LocalSigner(KEYS[alg], "k", alg).jwk())
    assert verify_compact(token, lambda _: key, algorithms=(alg,), typ=("JWT",)).claims == CLAIMS


def test_their_secret_signatures_are_not() -> None:
    token = jwt.encode(CLAIMS, "s" * 32, "HS256")
    with pytest.raises(JoseError, match="alg is HS256, expected RS256"):
        verify_compact(token, lambda _: None, algorithms=("RS256",), typ=("JWT",))
