"""Whatever comes in, there are two ways out: a value, or ``JoseError``."""

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.jose import JoseError, KeySet, PublicKey, generate_private_key, loads_strict, verify_compact
from idp.jose.keys import public_jwk

EC_KEY = public_jwk(generate_private_key("ES256"))
KEY = PublicKey.from_jwk(EC_KEY)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(-1e300, 1e300) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
CHARACTERS = st.text(alphabet='{}[]",:0123456789.-+eE\\u/dnaNIf \n', max_size=200)
quick = settings(max_examples=200, deadline=None, database=None)


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@quick
@given(JSON)
def test_good_json_is_read_as_it_is(value: Any) -> None:
    assert loads_strict(json.dumps(value).encode()) == value
    assert loads_strict(json.dumps(value, ensure_ascii=False).encode()) == value


@quick
@given(st.binary(max_size=200) | CHARACTERS.map(str.encode))
def test_any_bytes_as_json(data: bytes) -> None:
    with contextlib.suppress(JoseError):
        json.dumps(loads_strict(data), allow_nan=False, ensure_ascii=False).encode()


NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "b64", "x5c"])
VALUES = st.sampled_from(["ES256", "RS256", "none", "at+jwt", "k", ""]) | JSON


@quick
@given(st.dictionaries(NAMES, VALUES), JSON, st.binary(max_size=70), st.text(max_size=5))
def test_any_token(header: dict[str, Any], payload: Any, signature: bytes, rest: str) -> None:
    token = ".".join(part(json.dumps(value).encode()) for value in (header, payload))
    for text in (f"{token}.{part(signature)}", f"{token}.{part(signature)}{rest}"):
        with pytest.raises(JoseError) as refusal:  # nobody made this signature
            verify_compact(text, lambda _: KEY, algorithms=("ES256", "RS256"), typ=("at+jwt", ""))
        assert str(refusal.value).isascii()


MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "use", "key_ops", "alg", "kid"])
PARTS = st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "sig", "AQAB", EC_KEY["x"], EC_KEY["y"]]) | JSON


@quick
@given(st.dictionaries(MEMBERS, PARTS))
def test_any_key(changes: dict[str, Any]) -> None:
    with contextlib.suppress(JoseError):
        PublicKey.from_jwk({**EC_KEY, **changes})


@quick
@given(JSON)
def test_any_key_set(value: Any) -> None:
    with contextlib.suppress(JoseError):
        KeySet.from_json(json.dumps({"keys": value}).encode())
