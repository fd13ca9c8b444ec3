"""What our TOML writer writes, the standard reader reads: any text, any claims; and lines are still found."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from idp.config.toml_source import TomlSource
from idp.config.toml_writer import toml_table, toml_value
from idp.manifest import parse_manifest
from idp.manifest_writing import client_text, person_text
from idp.protocol.client import Account, Client

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
@example({"": "\0\r\n\t\x7f\u2028\ufeff'''\"\"\"\\", "a b": {"x.y": [{}]}})
def test_every_value_comes_back(members: dict[str, Any]) -> None:
    text = toml_table("people", members)
    assert tomllib.loads(text) == {"people": [members]}
    assert TomlSource(text, "test").line(("people", 0)) == 2
    assert all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize("value", [math.nan, math.inf, b"bytes", object()])
def test_what_toml_lacks_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="TOML has no"):
        toml_value(value)


@given(TEXTS, st.booleans(), st.dictionaries(st.sampled_from(["formatted", "country", "region"]), TEXTS, max_size=3))
def test_a_persons_claims_come_back(name: str, verified: bool, address: dict[str, str]) -> None:
    claims: dict[str, Any] = {"name": name, "email_verified": verified, "address": address}
    text = person_text(Account(id="sub-1", username="zoë", claims=claims, disabled=verified), None)
    (person,) = parse_manifest(TomlSource(text, "test"), Path()).people
    assert (person.username, person.sub, person.claims, person.disabled) == ("zoë", "sub-1", claims, verified or None)
    again = Account(id="sub-1", username="zoë", claims=person.claims, disabled=bool(person.disabled))
    assert person_text(again, None) == text


def test_a_clients_members_come_back() -> None:
    client = Client(
        client_id='odd"id\\',
        client_name="Ö",
        secret_hashes=(b"\1" * 32, b"\2" * 32),
        redirect_uris=("https://a.example/cb?x=1", "https://b.example/cb"),
        refresh_grace=0.5,
        default_max_age=0,
        remember_consent=False,
        disabled=True,
    )
    manifest = parse_manifest(TomlSource(client_text(client), "test"), Path())
    assert manifest.clients == (client,)
