"""Parameters (RFC 6749 3.1, 3.2, appendix B): each once, empty is absent, UTF-8, bounded."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.protocol.errors import Refused
from idp.protocol.parameters import MAX_FIELDS, Parameters, parse_parameters


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        ("a=", {}),
        ("a", {}),
        ("a=1&&b=2", {"a": "1", "b": "2"}),
        ("a=%2B+%26", {"a": "+ &"}),
        ("a=%C3%BC", {"a": "\u00fc"}),
        ("%C3%BC=1", {"\u00fc": "1"}),
        ("a=1=2", {"a": "1=2"}),
        ("a=%zz", {"a": "%zz"}),
        ("client_id[]=x&scope[0]=y&__proto__=z", {"client_id[]": "x", "scope[0]": "y", "__proto__": "z"}),
    ],
)
def test_read(encoded: str | bytes, expected: dict[str, str]) -> None:
    assert dict(parse_parameters(encoded).pairs()) == expected


@pytest.mark.parametrize(
    "encoded",
    [
        "a=1&a=1",
        "a=1&a=2",
        "a=&a=1",
        "a=1&a=",
        "a=1&%61=2",
        "a=%FF",
        "%FF=a",
        "a=%C0%80",
        "a=%ED%A0%80",
        "a=%00",
        "a%00=1",
        "a=x%00y",
        b"a=\xff",
        b"a=\xc3\xbc",
        "&".join(f"a{number}=1" for number in range(MAX_FIELDS + 1)),
    ],
)
def test_refused(encoded: str | bytes) -> None:
    with pytest.raises(Refused) as refusal:
        parse_parameters(encoded)
    assert (refusal.value.error, refusal.value.status) == ("invalid_request", 400)


def test_only_resource_may_repeat() -> None:
    """RFC 8707 2."""
    found = parse_parameters("resource=a&x=1&resource=b&resource=")
    assert found.all("resource") == ("a", "b")
    assert found.get("resource") is None
    assert found.all("x") == ()


def test_pairs_survive_being_sealed_and_read_again() -> None:
    found = parse_parameters("a=1&resource=r1&b=2&resource=r2")
    again = Parameters(found.pairs())
    assert again.pairs() == found.pairs()
    assert again.all("resource") == ("r1", "r2")


@pytest.mark.parametrize(
    ("scope", "words"),
    [("", ()), ("a", ("a",)), ("a b", ("a", "b")), (" a  b ", ("a", "b")), ("a b a", ("a", "b")), ("a\tb", ("a\tb",))],
)
def test_words(scope: str, words: tuple[str, ...]) -> None:
    assert parse_parameters(urlencode({"scope": scope})).words("scope") == words


def test_what_is_missing_is_named_and_no_value_repeated() -> None:
    with pytest.raises(Refused) as refusal:
        parse_parameters("client_secret=hidden&grant_type=").require("grant_type")
    assert "grant_type" in refusal.value.description
    assert "client_secret" in refusal.value.received
    assert "hidden" not in str(refusal.value.story())


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(st.dictionaries(TEXT.filter(lambda name: name != "resource"), TEXT, max_size=10))
def test_what_is_encoded_is_what_is_read(values: dict[str, str]) -> None:
    assert dict(parse_parameters(urlencode(values)).pairs()) == values
    assert dict(parse_parameters(urlencode(values).encode()).pairs()) == values


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = parse_parameters(data)
    except Refused:
        return
    assert all(value and "\0" not in value for _, value in found.pairs())
