"""Keys of clients by address (RFC 7591 2, OIDC Core 10.1.1): fetched when needed, and renewed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from assertions import ASSERTION_TYPE, GRANT, assertion, challenged, present, service
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey
from support import WEB, App, register
from support.keyhost import KeyHost, key_host

from idp.testing import Provider

pytestmark = pytest.mark.anyio

FIRST = ECKey.generate_key("P-256", parameters={"kid": "first", "use": "sig", "alg": "ES256"})
SECOND = ECKey.generate_key("P-256", parameters={"kid": "second", "use": "sig", "alg": "ES256"})
BARE = RSAKey.generate_key(2048)
OTHER_BARE = RSAKey.generate_key(2048)
SERVICE = App("service", secret="service-secret-for-development-only")


def public(key: Key) -> dict[str, Any]:
    return dict(key.as_dict(private=False))


@pytest.fixture
def host() -> Iterator[KeyHost]:
    with key_host() as found:
        found.publish(public(FIRST))
        yield found


@pytest.fixture
async def there(host: KeyHost) -> AsyncIterator[Provider]:
    async with Provider() as provider:
        await register(provider, service("far", "private_key_jwt", jwks_uri=host.url), WEB)
        yield provider


async def by(provider: Provider, key: Key, alg: str = "ES256", **header: Any) -> httpx2.Response:
    return await present(provider, assertion(provider, alg, key, header, iss="far", sub="far"))


async def test_a_key_at_the_registered_address_proves_the_client(there: Provider, host: KeyHost) -> None:
    for _ in range(20):
        assert (await by(there, FIRST)).status_code == 200
    assert host.fetches == 1
    assert "application/jwk-set+json" in host.accepts[0]
    challenged(await by(there, SECOND))


async def test_nothing_is_fetched_before_it_is_needed(there: Provider, host: KeyHost) -> None:
    for text in ("x.y.z", assertion(there, "ES256", FIRST, iss="far", sub="nobody")):
        challenged(await present(there, text))
    wrong_type = {**GRANT, "client_id": "far", "client_secret": "x" * 20}
    challenged(await there.http.post("/token", data=wrong_type))
    assert host.fetches == 0


async def test_a_rotated_key_works_and_the_old_one_is_gone(there: Provider, host: KeyHost) -> None:
    """As the OpenID suite's refresh-token-rp-key-rotation does it: other keys at the same address, then a new kid."""
    assert (await by(there, FIRST)).status_code == 200
    host.publish(public(SECOND))
    challenged(await by(there, SECOND))  # asked 0 s ago: the cool-down
    there.clock.advance(31)
    assert (await by(there, SECOND)).status_code == 200
    challenged(await by(there, FIRST))
    assert host.fetches == 2


async def test_a_rotated_key_without_a_kid_is_found_by_its_signature(there: Provider, host: KeyHost) -> None:
    host.publish(public(BARE))
    assert (await by(there, BARE, "RS256", kid=None)).status_code == 200
    host.publish(public(OTHER_BARE))
    challenged(await by(there, OTHER_BARE, "RS256", kid=None))
    there.clock.advance(31)
    assert (await by(there, OTHER_BARE, "RS256", kid=None)).status_code == 200
    challenged(await by(there, BARE, "RS256", kid=None))
    assert host.fetches == 2


async def test_a_key_that_names_no_algorithm_serves_those_of_its_kind(there: Provider, host: KeyHost) -> None:
    host.publish(public(BARE), public(FIRST), {"kty": "oct", "k": "AAAA"}, {**public(SECOND), "use": "enc"})
    for alg in ("RS256", "PS256"):
        now = int(there.clock())
        claims = {"iss": "far", "sub": "far", "aud": there.issuer, "exp": now + 60, "jti": f"bare-{alg}"}
        text = jwt.encode({"alg": alg}, claims, BARE, algorithms=[alg])
        assert (await present(there, text)).status_code == 200
    assert (await by(there, FIRST, kid=None)).status_code == 200
    challenged(await by(there, SECOND))


async def test_two_keys_that_fit_and_no_kid_are_no_key(there: Provider, host: KeyHost) -> None:
    host.publish(public(BARE), public(OTHER_BARE))
    challenged(await by(there, BARE, "RS256", kid=None))


async def test_of_many_at_once_one_fetches(there: Provider, host: KeyHost) -> None:
    answers = await asyncio.gather(*(by(there, FIRST) for _ in range(12)))
    assert [answer.status_code for answer in answers] == [200] * 12
    assert host.fetches == 1


async def test_an_outage_takes_no_key_away(there: Provider, host: KeyHost) -> None:
    assert (await by(there, FIRST)).status_code == 200
    host.status = 503
    for seconds in (31, 301, 3600):
        there.clock.advance(seconds)
        assert (await by(there, FIRST)).status_code == 200
        challenged(await by(there, SECOND))
    assert host.fetches > 1
    host.status = 200
    host.publish(public(SECOND))
    there.clock.advance(31)
    assert (await by(there, SECOND)).status_code == 200


@pytest.mark.parametrize("body", [b"", b"[]", b'{"keys":[]}', b'{"keys":7}', b"[" * 10_000, b"x" * 70_000])
async def test_what_is_no_key_set_proves_nothing_and_replaces_nothing(
    there: Provider, host: KeyHost, body: bytes
) -> None:
    good, host.body = host.body, body
    answer = await by(there, FIRST)
    challenged(answer)
    assert answer.json()["error_description"] == "The client assertion was not accepted."
    host.body = good
    there.clock.advance(31)
    assert (await by(there, FIRST)).status_code == 200
    host.body = body
    there.clock.advance(600)
    assert (await by(there, FIRST)).status_code == 200


async def test_the_host_says_how_long_its_keys_are_fresh(there: Provider, host: KeyHost) -> None:
    host.headers = {"Cache-Control": "max-age=3600"}
    assert (await by(there, FIRST)).status_code == 200
    host.publish(public(SECOND))
    there.clock.advance(2000)
    assert (await by(there, FIRST)).status_code == 200
    assert host.fetches == 1
    there.clock.advance(1601)
    challenged(await by(there, FIRST))
    assert host.fetches == 2


async def test_while_a_fetch_hangs_everybody_else_is_served(there: Provider, host: KeyHost) -> None:
    """No transaction is open meanwhile: SQLite has one connection, and others write through it."""
    host.held.clear()
    waiting = asyncio.create_task(by(there, FIRST))
    while not host.fetches:
        await asyncio.sleep(0.005)
    started = time.perf_counter()
    assert (await SERVICE.token(there.http, "client_credentials")).status_code == 200
    assert (await there.http.get("/healthz")).status_code == 200
    written = await there.control("user.add", username="meanwhile", password="correct horse", claims={})
    assert written["sub"]
    assert time.perf_counter() - started < 3
    assert not waiting.done()
    host.held.set()
    assert (await waiting).status_code == 200


async def test_only_so_many_wait_for_slow_hosts(there: Provider, host: KeyHost) -> None:
    host.held.clear()
    waiting = [asyncio.create_task(by(there, FIRST)) for _ in range(16)]
    while not host.fetches:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    refused = await by(there, FIRST)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    host.held.set()
    assert {(await one).status_code for one in waiting} == {200}
    assert (await by(there, FIRST)).status_code == 200


async def test_at_every_endpoint_that_asks(there: Provider) -> None:
    token = (await by(there, FIRST)).json()["access_token"]
    for path in ("/introspect", "/revoke"):
        text = assertion(there, "ES256", FIRST, iss="far", sub="far")
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text, "token": token}
        assert (await there.http.post(path, data=form)).status_code == 200


async def test_a_changed_address_counts_at_once(there: Provider, host: KeyHost) -> None:
    assert (await by(there, FIRST)).status_code == 200
    with key_host() as other:
        other.publish(public(SECOND))
        await register(there, service("far", "private_key_jwt", jwks_uri=other.url))
        assert (await by(there, SECOND)).status_code == 200
        challenged(await by(there, FIRST))
