"""Reading the HTTP answer of a key set: freshness, staleness, ETag, and what is no key set."""

import json

import pytest
from jose_issuer import JWKS

from idp.jose import Fetched, JoseError

BODY = json.dumps({"keys": JWKS[:1]}).encode()
CACHE_HEADERS = [
    ({}, None, None),
    ({"cache-control": "public, max-age=300, stale-if-error=86400"}, 300, 86400),
    ({"cache-control": "Max-Age = 60"}, 60, None),
    ({"cache-control": 'max-age="60"'}, 60, None),
    ({"cache-control": "max-age=300, no-cache"}, 0, None),
    ({"cache-control": "no-store"}, 0, None),
    ({"cache-control": "max-age=junk"}, 0, None),
    ({"cache-control": "max-age=300", "age": "100"}, 200, None),
    ({"cache-control": "max-age=300", "age": "1000"}, 0, None),
    ({"cache-control": "max-age=300", "age": "-7"}, 300, None),
    ({"cache-control": "max-age=300", "age": "²"}, 300, None),
    ({"cache-control": "s-maxage=7"}, None, None),
    ({"cache-control": "a" * 10_000 + "=,;\x00"}, None, None),
]


@pytest.mark.parametrize(("headers", "max_age", "stale"), CACHE_HEADERS)
def test_reading_cache_headers(headers: dict[str, str], max_age: float | None, stale: float | None) -> None:
    fetched = Fetched.from_http(200, headers, BODY)
    assert (fetched.max_age, fetched.stale_if_error) == (max_age, stale)


@pytest.mark.parametrize(
    ("etag", "kept"),
    [('"abc"', True), ('W/"abc"', True), ("abc", False), ('"a\r\nb"', False), (f'"{"a" * 300}"', False)],
)
def test_an_etag_is_kept_only_if_it_can_be_sent_back(etag: str, kept: bool) -> None:
    assert Fetched.from_http(200, {"etag": etag}, BODY).etag == (etag if kept else None)


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 401, 404, 429, 500, 503])
def test_other_statuses_are_failures(status: int) -> None:
    with pytest.raises(JoseError, match=str(status)):
        Fetched.from_http(status, {}, BODY)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"keys":[]}', b"[" * 60_000, b'{"keys":[' + b" " * 70_000],
    ids=lambda body: str(body[:9]),
)
def test_a_200_without_keys_is_a_failure(body: bytes) -> None:
    with pytest.raises(JoseError):
        Fetched.from_http(200, {}, body)


NOON = "Tue, 15 Nov 1994 12:00:00 GMT"  # 784900800


@pytest.mark.parametrize(
    ("headers", "max_age", "date"),
    [
        ({"date": NOON}, None, 784_900_800),
        ({"date": NOON, "age": "30"}, None, 784_900_830),
        ({"date": NOON, "expires": "Tue, 15 Nov 1994 12:05:00 GMT"}, 300, 784_900_800),
        ({"date": NOON, "expires": "Tue, 15 Nov 1994 12:05:00 GMT", "age": "60"}, 240, 784_900_860),
        ({"date": NOON, "expires": "Tue, 15 Nov 1994 12:05:00 GMT", "cache-control": "max-age=7"}, 7, 784_900_800),
        ({"date": NOON, "expires": "Tue, 15 Nov 1994 11:00:00 GMT"}, 0, 784_900_800),
        ({"date": NOON, "expires": "0"}, 0, 784_900_800),
        ({"expires": "-1"}, 0, None),
        ({"expires": "Tue, 15 Nov 1994 12:05:00 GMT"}, None, None),
        ({"date": "yesterday"}, None, None),
        ({"date": "Tue, 99 Nov 99999 12:00:00 GMT"}, None, None),
        ({"date": ""}, None, None),
    ],
)
def test_the_servers_clock_and_its_expires(headers: dict[str, str], max_age: float | None, date: float | None) -> None:
    """RFC 9111 section 5.3: Expires counts against the server's own Date, where there is no max-age."""
    fetched = Fetched.from_http(200, headers, BODY)
    assert (fetched.max_age, fetched.date) == (max_age, date)
