"""SF: a client_id that is an address leads to a document of that address, or nowhere."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from support import App, Page, Visitor
from support.document_site import REDIRECT, Site, document_site

from idp import outbound as module
from idp.protocol.client_documents import MAX_DOCUMENT, url_problem
from idp.testing import MovingClock, Provider

pytestmark = pytest.mark.anyio

OCT = {"kty": "oct", "k": "c2VjcmV0"}
PRIVATE = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "nWGx"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with document_site(tmp_path_factory.mktemp("site")) as found:
        yield found


@pytest.fixture
def provider(house: Provider, site: Site) -> Provider:
    """The same one, at a time when it has forgotten every document and every share is whole again."""
    site.replies.clear()
    site.visits.clear()
    house.clock.advance(86_400 + 400)
    return house


@pytest.fixture(scope="module")
async def house(site: Site) -> AsyncIterator[Provider]:
    given = {"client_documents__mode": "any", "outbound__ca_file": str(site.ca_file)}
    async with Provider(clock=MovingClock(), **given) as found:
        yield found


async def refused(provider: Provider, url: str) -> str:
    """What stands on our page, which is where it must end: nothing is sent anywhere."""
    stop = await Visitor(provider).authorize(App(url, REDIRECT, method="none").request())
    assert isinstance(stop, Page), stop
    assert (stop.id, stop.status) == ("error", 401), stop.text
    assert 'data-code="invalid_client"' in stop.text
    return stop.text


@pytest.mark.parametrize(
    "pattern",
    [
        "http://app.example/client.json",
        "HTTPS://{host}/client.json",
        "https://{host}",
        "https://{host}/",
        "https://{host}/a/../client.json",
        "https://{host}/./client.json",
        "https://{host}/%2e%2e/client.json",
        "https://{host}/a/%2E/client.json",
        "https://app.example@{host}/client.json",
        "https://user:word@{host}/client.json",
        "https://{host}/client.json#x",
        "https://{host}/client.json#",
        "https://{host}/cli ent.json",
        "https://{host}\\@evil.example/client.json",
        "https://10.0.0.1/client.json",
        "https://127.1/client.json",
        "https://2130706433/client.json",
        "https://0x7f.0.0.1/client.json",
        "https://[2001:db8::1]/client.json",
        "https://[::ffff:10.0.0.1]/client.json",
        "https:///client.json",
        "https://{host}:99999/client.json",
        "https://{host}/" + "a" * 255,
    ],
)
async def test_sf_05_addresses_that_are_not_asked(provider: Provider, site: Site, pattern: str) -> None:
    url = pattern.replace("{host}", site.host)
    site.publish(client_id=url)
    stop = await Visitor(provider).authorize(App(url, REDIRECT, method="none").request())
    assert isinstance(stop, Page)
    assert stop.id == "error"
    assert site.visits.total() == 0


def test_sf_05_under_serve_no_address_and_not_this_machine() -> None:
    for url in (
        "https://127.0.0.1/c",
        "https://[::1]/c",
        "https://localhost/c",
        "https://app.localhost/c",
        "https://93.184.216.34/c",
        "https://93.184.216.34./c",
        "http://localhost/c",
    ):
        assert url_problem(url) is not None, url
    assert url_problem("https://app.example:8443/c?v=1") is None
    assert url_problem("http://localhost:9000/c", this_machine=True) is None


WRONG: dict[str, dict[str, Any]] = {
    "another client_id": {"client_id": "https://app.example/client.json"},
    "no client_id": {"client_id": None},
    "a client_id that is a number": {"client_id": 1},
    "a secret": {"client_secret": "0123456789abcdef0123456789abcdef"},
    "a secret that ends": {"client_secret_expires_at": 0},
    "basic": {"token_endpoint_auth_method": "client_secret_basic"},
    "post": {"token_endpoint_auth_method": "client_secret_post"},
    "secret jwt": {"token_endpoint_auth_method": "client_secret_jwt"},
    "a method nobody knows": {"token_endpoint_auth_method": "magic"},
    "a method that is a list": {"token_endpoint_auth_method": ["none"]},
    "keys without keys": {"token_endpoint_auth_method": "private_key_jwt"},
    "a private key": {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [PRIVATE]}},
    "a symmetric key": {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [OCT]}},
    "no redirect_uris": {"redirect_uris": None},
    "empty redirect_uris": {"redirect_uris": []},
    "redirect_uris of another type": {"redirect_uris": REDIRECT},
    "a pattern": {"redirect_uris": [REDIRECT, "https://*.app.example/cb"]},
    "a script": {"redirect_uris": [REDIRECT, "javascript:alert(1)"]},
    "plain http": {"redirect_uris": [REDIRECT, "http://app.example/cb"]},
    "a fragment": {"redirect_uris": [f"{REDIRECT}#x"]},
    "a name that is a page": {"client_name": "a" * 201},
    "a name that turns the text": {"client_name": "bank\u202egro.elpmaxe"},
    "a name that is a list": {"client_name": ["x"]},
    "a link that is a script": {"client_uri": "javascript:alert(1)"},
    "machine grants only": {"grant_types": ["client_credentials"]},
}


@pytest.mark.parametrize("what", WRONG)
async def test_sf_05_documents_that_describe_no_client(provider: Provider, site: Site, what: str) -> None:
    await refused(provider, site.publish(**WRONG[what]))
    assert site.visits.total() == 1


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"null", {}),
        (b"[]", {}),
        (b'"x"', {}),
        (b"{", {}),
        (b"<html></html>", {}),
        (b"\xff\xfe{}", {}),
        (b'{"client_id": NaN}', {}),
        (None, {"content-type": "text/html"}),
        (None, {"content-type": "application/jwt"}),
        (None, {"content-type": "application/json, text/html"}),
        (None, {"content-type": ""}),
        (b'{"client_id":"x","client_id":"@"}', {}),
    ],
)
async def test_sf_05_answers_that_are_no_document(
    provider: Provider, site: Site, body: bytes | None, headers: Mapping[str, str]
) -> None:
    whole = json.dumps(site.document()).encode() if body is None else body.replace(b"@", site.url().encode())
    await refused(provider, site.say(whole, headers=headers))


@pytest.mark.parametrize("status", [201, 204, 206, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 500, 503])
async def test_sf_05_only_200_is_an_answer_and_no_error_is_remembered(
    provider: Provider, site: Site, status: int
) -> None:
    body = json.dumps(site.document()).encode() if status not in (204,) else b""
    url = site.say(body, status=status, headers={"cache-control": "max-age=86400"})
    await refused(provider, url)
    await refused(provider, url)
    assert site.visits.total() == 2
    site.publish()
    stop = await Visitor(provider).authorize(App(url, REDIRECT, method="none").request())
    assert isinstance(stop, Page)
    assert stop.id == "login"


@pytest.mark.parametrize("beyond", [0, 1])
async def test_sf_05_the_size_has_a_limit(provider: Provider, site: Site, beyond: int) -> None:
    whole = json.dumps(site.document()).encode()
    url = site.say(whole + b" " * (MAX_DOCUMENT - len(whole) + beyond))
    if beyond:
        await refused(provider, url)
        return
    stop = await Visitor(provider).authorize(App(url, REDIRECT, method="none").request())
    assert isinstance(stop, Page)
    assert stop.id == "login"
    assert MAX_DOCUMENT == 5 * 1024


async def test_sf_02_a_redirect_is_not_followed(provider: Provider, site: Site) -> None:
    site.publish("/real")
    for status in (301, 302, 303, 307, 308):
        await refused(provider, site.say(b"", "/moved", status, {"location": site.url("/real")}))
    assert site.visits["/real"] == 0


async def test_sf_02_nor_where_a_good_copy_has_grown_old(provider: Provider, site: Site) -> None:
    """The redirect's goal is never asked, whatever the copy is still good for."""
    url = site.publish()
    await Visitor(provider).authorize(App(url, REDIRECT, method="none").request())
    site.publish("/real")
    site.say(b"", status=302, headers={"location": site.url("/real")})
    provider.clock.advance(400)
    await Visitor(provider).authorize(App(url, REDIRECT, method="none").request())
    assert site.visits["/real"] == 0


@pytest.mark.parametrize("depth", [100, 2400])
async def test_sf_10_deep_json(provider: Provider, site: Site, depth: int) -> None:
    await refused(provider, site.say(b'{"a":' * (depth // 2) + b"[" * depth))


async def test_sf_10_what_is_packed_is_not_unpacked(provider: Provider, site: Site) -> None:
    packed = gzip.compress(b" " * 4_000_000)
    assert len(packed) < MAX_DOCUMENT
    await refused(provider, site.say(packed, headers={"content-encoding": "gzip"}))


async def test_sf_10_a_slow_site_keeps_only_its_own_app_waiting(
    provider: Provider, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.4)
    url = site.publish()
    site.held.clear()
    started = time.perf_counter()
    await refused(provider, url)
    assert time.perf_counter() - started < 2
    site.held.set()


async def test_sf_05_strangers_learn_nothing_of_what_can_be_reached(site: Site) -> None:
    """One sentence, whatever the cause: the operator's log has the rest."""
    given = {"client_documents__mode": "any", "outbound__ca_file": str(site.ca_file)}
    async with Provider(clock=MovingClock(), **given) as provider:
        site.replies.clear()
        urls = [
            "https://docs.localhost:1/closed",
            site.url("/missing"),
            site.say(b"secret text", "/text"),
            "https://nowhere.invalid/x",
            "https://10.0.0.1/x",
        ]
        sentences = set()
        for url in urls:
            answer = await provider.http.post("/token", data={"client_id": url, "grant_type": "authorization_code"})
            sentences.add((answer.status_code, answer.text))
        assert len(sentences) == 1, sentences
        assert "secret text" not in str(sentences)
