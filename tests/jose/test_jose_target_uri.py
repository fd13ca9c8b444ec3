"""Two spellings of one address are one (RFC 3986 6.2.2, 6.2.3), and two addresses are two."""

import pytest

from idp.jose.target_uri import normal_uri

PLAIN = "https://api.example.com/a/b"


@pytest.mark.parametrize(
    "spelled",
    [
        "HTTPS://api.example.com/a/b",
        "https://API.Example.COM/a/b",
        "https://api.example.com:443/a/b",
        "https://api.example.com:/a/b",
        "https://api.example.com/%61/b",
        "https://api.example.com/a/./b",
        "https://api.example.com/x/../a/b",
        "https://api.example.com/../a/b",
        "https://api.example.com/a/b?query=1",
        "https://api.example.com/a/b#fragment",
        "https://api.example.com/a/b?x#y",
    ],
)
def test_one_address_in_many_spellings(spelled: str) -> None:
    assert normal_uri(spelled) == PLAIN


@pytest.mark.parametrize(
    "other",
    [
        "http://api.example.com/a/b",
        "https://api.example.com:8443/a/b",
        "https://api.example.com/a/b/",
        "https://api.example.com/a/B",
        "https://api.example.com/a%2Fb",
        "https://api.example.com//a/b",
        "https://api.example.com.evil.test/a/b",
        "https://api.example.com/a/b/..",
        "https://api.example.com/a",
    ],
)
def test_another_address(other: str) -> None:
    assert normal_uri(other) not in (None, PLAIN)


@pytest.mark.parametrize(
    "none",
    [
        "",
        "/a/b",
        "//api.example.com/a/b",
        "https:///a/b",
        "https://user@api.example.com/a/b",
        "https://api.example.com@evil.test/a/b",
        "https://api.example.com:99999/a/b",
        "https://api.example.com/a\\b",
        "https://api.example.com/a b",
        "https://api.example.com/ä",
        "ftp://api.example.com/a/b",
        "https://[::1/a/b",
        "https://api.example.com/" + "a" * 2048,
    ],
)
def test_no_address_at_all(none: str) -> None:
    assert normal_uri(none) is None


@pytest.mark.parametrize(
    ("spelled", "normal"),
    [
        ("https://api.example.com", "https://api.example.com/"),
        ("http://127.0.0.1:80/", "http://127.0.0.1/"),
        ("http://[::1]:8000/%7euser/%c3%a4", "http://[::1]:8000/~user/%C3%A4"),
        ("https://api.example.com/a/b/.", "https://api.example.com/a/b/"),
        ("https://api.example.com/a/b/..", "https://api.example.com/a/"),
    ],
)
def test_the_normal_spelling(spelled: str, normal: str) -> None:
    assert normal_uri(spelled) == normal
