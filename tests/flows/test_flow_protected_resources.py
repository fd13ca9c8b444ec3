"""Protected-resource metadata (RFC 9728): what the issuer says of itself as a resource, and of those registered."""

from __future__ import annotations

import pytest
from support import discovery

from idp.testing import MovingClock, Provider

pytestmark = pytest.mark.anyio

WELL_KNOWN = "/.well-known/oauth-protected-resource"
BASE = "http://localhost:8000/tenant/one"


async def test_the_document(provider: Provider) -> None:
    answer = await provider.http.get(WELL_KNOWN)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    found = answer.json()
    scopes = found.pop("scopes_supported")
    assert found == {
        "resource": provider.issuer,
        "authorization_servers": [provider.issuer],
        "bearer_methods_supported": ["header", "body"],
        "resource_name": "UserInfo",
    }
    assert scopes == (await discovery(provider.http))["scopes_supported"]


async def test_userinfo_takes_a_token_by_each_method_it_names(provider: Provider) -> None:
    token = await provider.token_for("alice")
    header = await provider.http.get("/userinfo", headers={"authorization": f"Bearer {token}"})
    body = await provider.http.post("/userinfo", data={"access_token": token})
    assert (header.status_code, body.status_code) == (200, 200)


@pytest.mark.parametrize("path", ["/userinfo", "/hello"])
@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer junk"}])
async def test_a_401_leads_there(provider: Provider, path: str, header: dict[str, str]) -> None:
    answer = await provider.http.get(path, headers=header)
    challenge = answer.headers["www-authenticate"]
    url = challenge.partition('resource_metadata="')[2].partition('"')[0]
    assert answer.status_code == 401
    assert url == f"{provider.issuer}{WELL_KNOWN}"
    assert (await provider.http.get(url)).json()["authorization_servers"] == [provider.issuer]


async def test_403_leads_there_too(provider: Provider) -> None:
    """What is missing may be a scope (RFC 6750 3.1)."""
    token = await provider.token_for("alice", scope="profile")
    answer = await provider.http.get("/userinfo", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert "resource_metadata=" in answer.headers["www-authenticate"]


async def test_other_endpoints_lead_nowhere(provider: Provider) -> None:
    refused = await provider.http.post("/token", data={"grant_type": "authorization_code"})
    assert "resource_metadata" not in refused.headers["www-authenticate"]


async def test_an_issuer_with_a_path() -> None:
    """RFC 9728 3.1, RFC 8414 3.1: between host and path; every place a client may look for the server's own too."""
    async with Provider(issuer=BASE, clock=MovingClock()) as provider:
        host = BASE.removesuffix("/tenant/one")
        found = (await provider.http.get(f"{host}{WELL_KNOWN}/tenant/one")).json()
        assert found["resource"] == BASE
        refused = await provider.http.get(f"{BASE}/userinfo")
        assert f'resource_metadata="{host}{WELL_KNOWN}/tenant/one"' in refused.headers["www-authenticate"]
        for url in (
            f"{host}/.well-known/oauth-authorization-server/tenant/one",
            f"{host}/.well-known/openid-configuration/tenant/one",
            f"{BASE}/.well-known/openid-configuration",
            f"{BASE}/.well-known/oauth-authorization-server",
        ):
            assert (await provider.http.get(url)).json()["issuer"] == BASE, url
        assert (await provider.http.get(f"{host}/.well-known/oauth-authorization-server")).status_code == 404


async def test_discovery_names_registered_resources_where_asked_to() -> None:
    text = "\n".join(f'[[resources]]\nuri = "{uri}"' for uri in ("https://b.example", "https://a.example/x", "urn:x:y"))
    async with Provider(clock=MovingClock()) as provider:
        await provider.apply(text)
        await provider.server.reload_registry()
        assert (await discovery(provider.http))["protected_resources"] == [provider.issuer]
    async with Provider(clock=MovingClock(), announce_resources=True) as provider:
        assert (await discovery(provider.http))["protected_resources"] == [provider.issuer]
        await provider.apply(text)
        await provider.server.reload_registry()
        named = (await discovery(provider.http))["protected_resources"]
        assert named == [provider.issuer, "https://a.example/x", "https://b.example"]
