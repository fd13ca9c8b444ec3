"""Keys: ours, and those of strangers."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from idp.jose import JoseError, KeySet, LocalSigner, PublicKey, generate_private_key, thumbprint
from idp.jose.keys import (
    SIGNING_ALGORITHMS,
    private_key_from_der,
    private_key_from_pem,
    private_key_to_der,
    private_key_to_pem,
    public_jwk,
)

PRIVATE = {alg: generate_private_key(alg) for alg in SIGNING_ALGORITHMS}
JWK: dict[str, dict[str, Any]] = {alg: public_jwk(key) for alg, key in PRIVATE.items()}
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)


@pytest.mark.parametrize("alg", SIGNING_ALGORITHMS)
def test_a_private_key_survives_its_encodings(alg: str) -> None:
    key = PRIVATE[alg]
    for copy in (
        private_key_from_der(private_key_to_der(key)),
        private_key_from_pem(private_key_to_pem(key)),
    ):
        assert public_jwk(copy) == JWK[alg]
        assert type(copy) is type(key)


def test_the_kinds_of_key_made() -> None:
    assert JWK["RS256"]["kty"] == JWK["PS256"]["kty"] == "RSA"
    assert {key.key_size for key in PRIVATE.values() if isinstance(key, rsa.RSAPrivateKey)} == {2048}
    assert (JWK["ES256"]["kty"], JWK["ES256"]["crv"]) == ("EC", "P-256")
    assert (JWK["EdDSA"]["kty"], JWK["EdDSA"]["crv"]) == ("OKP", "Ed25519")
    with pytest.raises(JoseError, match="HS256"):
        generate_private_key("HS256")


def test_coordinates_keep_their_leading_zeros() -> None:
    """RFC 7518 section 6.2.1.2; one key in 128 would be unreadable elsewhere."""
    key = next(k for n in range(1, 5000) if (k := ec.derive_private_key(n, ec.SECP256R1())) and short(k))
    jwk = public_jwk(key)
    assert len(jwk["x"]) == len(jwk["y"]) == 43


def short(key: ec.EllipticCurvePrivateKey) -> bool:
    point = key.public_key().public_numbers()
    return min(point.x, point.y).bit_length() <= 248


@pytest.mark.parametrize(
    "data", [b"", b"junk", b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"], ids=["empty", "junk", "hollow"]
)
def test_bytes_that_are_no_private_key(data: bytes) -> None:
    for read in (private_key_from_der, private_key_from_pem):
        with pytest.raises(JoseError) as refusal:
            read(data)
        assert refusal.value.reason == "key"


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (PRIVATE["RS256"], "ES256"),
        (PRIVATE["ES256"], "RS256"),
        (PRIVATE["ES256"], "EdDSA"),
        (PRIVATE["EdDSA"], "PS256"),
        (WEAK, "RS256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES256"),
        (PRIVATE["RS256"], "HS256"),
        (PRIVATE["RS256"], "none"),
    ],
)
def test_a_signer_takes_no_key_that_does_not_fit(key: Any, alg: str) -> None:
    with pytest.raises(JoseError):
        LocalSigner(key, "kid", alg)


@pytest.mark.parametrize("alg", SIGNING_ALGORITHMS)
def test_a_signer_shows_public_members_only(alg: str) -> None:
    signer = LocalSigner(PRIVATE[alg], "k", alg)
    assert set(signer.jwk()) == {*JWK[alg], "kid", "alg", "use"}
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(signer.jwk())
    assert signer.jwk() is signer.jwk()
    assert "PRIVATE" not in repr(signer)


@pytest.mark.parametrize("alg", SIGNING_ALGORITHMS)
def test_a_public_key_is_read_from_jwk_and_pem(alg: str) -> None:
    key = PublicKey.from_jwk({**JWK[alg], "kid": "k", "alg": alg, "x5c": ["junk"], "note": {"a": 1}})
    assert (key.kid, key.alg) == ("k", alg)
    assert dict(key.jwk) == {**JWK[alg], "kid": "k", "alg": alg, "use": "sig"}
    assert PublicKey.from_pem(key.to_pem(), alg, kid="k") == key
    assert b"PRIVATE" not in key.to_pem()
    assert thumbprint(key.jwk) == thumbprint(JWK[alg])


def test_a_key_without_alg_gets_one() -> None:
    assert PublicKey.from_jwk(JWK["RS256"]).alg == "RS256"
    assert PublicKey.from_jwk(JWK["RS256"], "PS512").alg == "PS512"
    assert PublicKey.from_jwk(JWK["RS256"], preferred=("ES256", "PS256", "RS256")).alg == "PS256"
    assert PublicKey.from_jwk(JWK["ES256"], preferred=("RS256",)).alg == "ES256"
    assert PublicKey.from_jwk({**JWK["RS256"], "alg": "RS256"}, "PS256").alg == "RS256"
    with pytest.raises(JoseError, match="its kind signs"):
        PublicKey.from_jwk(JWK["ES256"], "RS256")


EC_KEY, RSA_KEY, ED_KEY = JWK["ES256"], JWK["RS256"], JWK["EdDSA"]
BAD_KEYS: dict[str, Any] = {
    "no object": [],
    "null": None,
    "text": "key",
    "empty": {},
    "symmetric": {"kty": "oct", "k": "c2VjcmV0"},
    "kty a list": {**EC_KEY, "kty": ["EC"]},
    "kty in small letters": {**EC_KEY, "kty": "ec"},
    "post-quantum": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
    "private EC": {**EC_KEY, "d": "AQ"},
    "private RSA": {**RSA_KEY, "d": "AQ", "p": "AQ"},
    "private Ed25519": {**ED_KEY, "d": "AQ"},
    "private and null": {**EC_KEY, "d": None},
    "RSA with a symmetric part": {**RSA_KEY, "k": "AQ"},
    "RSA of 1024 bits": public_jwk(WEAK),
    "RSA of 8 bits": {**RSA_KEY, "n": "_w"},
    "RSA of 16384 bits": {**RSA_KEY, "n": "_" * 2730},
    "RSA exponent 1": {**RSA_KEY, "e": "AQ"},
    "RSA exponent 0": {**RSA_KEY, "e": "AA"},
    "RSA exponent even": {**RSA_KEY, "e": "BA"},
    "RSA exponent as long as n": {**RSA_KEY, "e": RSA_KEY["n"]},
    "RSA exponent of 65 bits": {**RSA_KEY, "e": "AQAAAAAAAAAB"},
    "RSA modulus even": {**RSA_KEY, "n": RSA_KEY["n"][:-2] + "AA"},
    "RSA modulus missing": {"kty": "RSA", "e": "AQAB"},
    "RSA modulus a number": {**RSA_KEY, "n": 12345},
    "RSA modulus empty": {**RSA_KEY, "n": ""},
    "RSA modulus no base64": {**RSA_KEY, "n": "*" * 342},
    "EC point off the curve": {**EC_KEY, "y": EC_KEY["x"]},
    "EC point zero": {**EC_KEY, "x": "A" * 43, "y": "A" * 43},
    "EC coordinate too long": {**EC_KEY, "x": "A" * 1000},
    "EC curve unknown": {**EC_KEY, "crv": "P-999"},
    "EC curve of Bitcoin": {**EC_KEY, "crv": "secp256k1"},
    "EC curve of another size": {**EC_KEY, "crv": "P-384"},
    "EC curve a list": {**EC_KEY, "crv": ["P-256"]},
    "OKP for key agreement": {**ED_KEY, "crv": "X25519"},
    "OKP Ed448": {**ED_KEY, "crv": "Ed448"},
    "OKP too short": {**ED_KEY, "x": "AAAA"},
    "use enc": {**EC_KEY, "use": "enc"},
    "use a list": {**EC_KEY, "use": ["sig"]},
    "key_ops sign": {**EC_KEY, "key_ops": ["sign"]},
    "key_ops a text": {**EC_KEY, "key_ops": "verify"},
    "key_ops null": {**EC_KEY, "key_ops": None},
    "alg of another kind": {**EC_KEY, "alg": "RS256"},
    "alg of another curve": {**EC_KEY, "alg": "ES384"},
    "alg symmetric": {**RSA_KEY, "alg": "HS256"},
    "alg none": {**RSA_KEY, "alg": "none"},
    "alg a list": {**RSA_KEY, "alg": ["RS256"]},
    "alg for encryption": {**RSA_KEY, "alg": "RSA-OAEP"},
    "kid a number": {**EC_KEY, "kid": 1},
    "kid empty": {**EC_KEY, "kid": ""},
    "kid too long": {**EC_KEY, "kid": "k" * 257},
}


@pytest.mark.parametrize("jwk", BAD_KEYS.values(), ids=BAD_KEYS)
def test_keys_that_are_refused(jwk: Any) -> None:
    with pytest.raises(JoseError) as refusal:
        PublicKey.from_jwk(jwk)
    assert refusal.value.reason == "key"
    assert str(refusal.value).isascii()


@pytest.mark.parametrize("pem", [b"", b"junk", private_key_to_pem(PRIVATE["ES256"])], ids=["empty", "junk", "private"])
def test_pem_that_is_no_public_key(pem: bytes) -> None:
    with pytest.raises(JoseError, match="no public key"):
        PublicKey.from_pem(pem)


def test_a_set_skips_what_it_cannot_use() -> None:
    """RFC 7517 section 5: one key of an unknown kind must not hide the others."""
    good = [{**EC_KEY, "kid": "a"}, {**RSA_KEY, "kid": "b"}]
    keys = KeySet.from_json(json.dumps({"keys": [*BAD_KEYS.values(), *good]}).encode())
    assert [key.kid for key in keys.keys] == ["a", "b"]


BAD_SETS: dict[str, Any] = {
    "no object": [EC_KEY],
    "no keys": {},
    "keys an object": {"keys": EC_KEY},
    "keys null": {"keys": None},
    "empty": {"keys": []},
    "only unusable keys": {"keys": [{"kty": "oct", "k": "AA"}]},
    "101 keys": {"keys": [EC_KEY] * 101},
    "65 KiB": {"keys": [EC_KEY], "pad": "x" * 65 * 1024},
}


@pytest.mark.parametrize("value", BAD_SETS.values(), ids=BAD_SETS)
def test_sets_that_are_refused(value: Any) -> None:
    with pytest.raises(JoseError):
        KeySet.from_json(json.dumps(value).encode())


def named(*keys: tuple[str, str | None]) -> KeySet:
    return KeySet.from_jwks({"keys": [{**JWK[a], "alg": a, **({"kid": k} if k else {})} for a, k in keys]})


@pytest.mark.parametrize(
    ("keys", "header", "expected"),
    [
        (named(("ES256", "a"), ("RS256", "b")), {"alg": "RS256", "kid": "b"}, "RS256"),
        (named(("ES256", "a"), ("RS256", "a")), {"alg": "RS256", "kid": "a"}, "RS256"),
        (named(("ES256", "a")), {"alg": "RS256", "kid": "a"}, "ES256"),
        (named(("ES256", "a"), ("RS256", "b")), {"alg": "RS256"}, "RS256"),
        (named(("RS256", None)), {"alg": "RS256", "kid": "x"}, "RS256"),
        (named(("RS256", "a"), ("ES256", "b")), {"alg": "RS256", "kid": "c"}, None),
        (named(("RS256", "a"), ("RS256", "b")), {"alg": "RS256"}, None),
        (named(("RS256", None), ("RS256", None)), {"alg": "RS256", "kid": "x"}, None),
        (named(("ES256", "a")), {"alg": "RS256"}, None),
    ],
)
def test_which_key_a_header_means(keys: KeySet, header: dict[str, str], expected: str | None) -> None:
    key = keys.select(header)
    assert (key and key.alg) == expected
