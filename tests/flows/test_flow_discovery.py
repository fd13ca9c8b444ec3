"""Discovery (OIDC Discovery 1.0, RFC 8414): both addresses, an issuer with a path, checked by Authlib's validators."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from authlib.oidc.discovery import OpenIDProviderMetadata
from authlib.oidc.discovery import get_well_known_url as get_openid_url
from support import WEB, Visitor, claims_of, discovery, register
from support.serving import serving

from idp.testing import Provider

pytestmark = pytest.mark.anyio

OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"
# Authlib's validators want https, as a deployment has.
ISSUERS = ("https://localhost", "https://localhost/tenants/a")


@pytest.fixture(scope="module", params=ISSUERS)
async def secure(request: pytest.FixtureRequest) -> AsyncIterator[Provider]:
    async with Provider(issuer=request.param) as provider:
        await register(provider, WEB)
        yield provider


async def test_is_announced_in_discovery(secure: Provider) -> None:
    """By itself: the document is where both specifications put it, and is the same bytes."""
    urls = {
        get_openid_url(secure.issuer, external=True),
        get_well_known_url(secure.issuer, external=True),
        get_well_known_url(secure.issuer, external=True, suffix="openid-configuration"),
    }
    answers = [await secure.http.get(url) for url in urls]
    assert [answer.status_code for answer in answers] == [200] * len(urls)
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["issuer"] == secure.issuer


async def test_authlib_finds_nothing_wrong(secure: Provider) -> None:
    document = await discovery(secure.http)
    OpenIDProviderMetadata(document).validate()
    AuthorizationServerMetadata(document).validate()


async def test_every_address_is_the_issuers_and_answers(secure: Provider) -> None:
    document = await discovery(secure.http)
    addresses = {name: url for name, url in document.items() if name.endswith(("_endpoint", "_uri"))}
    assert addresses.keys() == {
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "introspection_endpoint",
        "revocation_endpoint",
        "end_session_endpoint",
        "pushed_authorization_request_endpoint",
        "device_authorization_endpoint",
        "jwks_uri",
    }
    for url in addresses.values():
        assert url.startswith(f"{secure.issuer}/")
        assert (await secure.http.get(url)).status_code != 404


async def test_a_whole_sign_on_under_any_issuer(secure: Provider) -> None:
    visitor = Visitor(secure)
    answer = await visitor.sign_on(WEB.request(scope="openid offline_access"), method="POST")
    assert answer.members["iss"] == secure.issuer
    tokens = (await WEB.redeem(secure.http, answer.code)).json()
    assert (await claims_of(secure.http, tokens["id_token"]))["iss"] == secure.issuer
    assert (await WEB.refresh(secure.http, tokens["refresh_token"])).status_code == 200
    stop = await visitor.open(f"{secure.issuer}/logout", {"id_token_hint": tokens["id_token"]})
    assert getattr(stop, "id", None) == "logged-out"


async def test_beside_the_issuers_path_there_is_nothing(tmp_path: Path) -> None:
    async with Provider(issuer=ISSUERS[1], data_dir=tmp_path) as provider:
        for path in ("/authorize", "/token", "/.well-known/jwks.json", OPENID, OAUTH, "/tenants/b/authorize"):
            assert (await provider.http.get(f"https://localhost{path}")).status_code == 404


# -- the document as such


def headers(answer: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


@pytest.mark.parametrize("path", [OPENID, OAUTH])
async def test_anyone_may_cache_it_and_read_it(provider: Provider, path: str) -> None:
    answer = await provider.http.get(path)
    found = headers(answer)
    assert found["content-type"] == "application/json"
    assert found["cache-control"] == "public, max-age=3600, stale-if-error=86400"
    assert found["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in found
    assert "set-cookie" not in found
    head = await provider.http.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(answer.content)))


@pytest.mark.parametrize("known", ["{etag}", "W/{etag}", '"other", {etag}'])
async def test_unchanged_is_304(provider: Provider, known: str) -> None:
    etag = (await provider.http.get(OPENID)).headers["etag"]
    same = await provider.http.get(OPENID, headers={"if-none-match": known.format(etag=etag)})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    other = await provider.http.get(OPENID, headers={"if-none-match": '"other"'})
    assert other.status_code == 200


async def test_it_changes_with_what_is_registered(provider: Provider) -> None:
    before = await provider.http.get(OPENID)
    await provider.apply('[[scopes]]\nname = "fresh:scope"')
    after = await provider.http.get(OPENID)
    assert "fresh:scope" not in before.json()["scopes_supported"]
    assert "fresh:scope" in after.json()["scopes_supported"]
    assert before.headers["etag"] != after.headers["etag"]


async def test_no_header_changes_a_byte(tmp_path: Path) -> None:
    """decision 13: the issuer comes from the settings alone."""
    async with serving(tmp_path) as (_, http):
        expected = (await http.get(OPENID)).content
        names = ("host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix", "forwarded", "x-original-url")
        values = ("evil.test", "https", "/evil", "host=evil.test;proto=https", "localhost:1")
        for name, value in itertools.product(names, values):
            assert (await http.get(OPENID, headers={name: value})).content == expected


async def test_only_reading(provider: Provider) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert (await provider.http.request(method, OPENID)).status_code in (404, 405)


async def test_it_names_what_is_not_offered(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["authorization_response_iss_parameter_supported"] is True
    for absent in ("registration_endpoint", "check_session_iframe"):
        assert absent not in document
