"""Clients known by the document at their client_id (draft-ietf-oauth-client-id-metadata-document)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from assertions import ASSERTION_TYPE, KEYS, assertion
from support import App, Page, Visitor, discovery, sign_in
from support.document_site import REDIRECT, Site, document_site
from support.serving import serving

from idp.testing import MovingClock, Provider

pytestmark = pytest.mark.anyio

API = "https://api.example.com"
MANIFEST = f"""
[[scopes]]
name = "notes"
description = "Read your notes"

[[scopes]]
name = "other"

[[resources]]
uri = "{API}"
scopes = ["notes"]

[[resources]]
uri = "https://private.example.com"
scopes = ["other"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with document_site(tmp_path_factory.mktemp("site")) as found:
        yield found


@asynccontextmanager
async def provider_of(site: Site, **options: Any) -> AsyncIterator[Provider]:
    given = {"client_documents__mode": "any", "outbound__ca_file": str(site.ca_file), **options}
    async with Provider(clock=MovingClock(), **given) as found:
        await found.apply(MANIFEST)
        yield found


@pytest.fixture
async def provider(site: Site) -> AsyncIterator[Provider]:
    site.replies.clear()
    site.visits.clear()
    async with provider_of(site, client_documents__resources=(API,)) as found:
        yield found


def app_at(url: str, **members: Any) -> App:
    return App(url, REDIRECT, method="none", **members)


async def test_it_is_announced(provider: Provider) -> None:
    assert (await discovery(provider.http))["client_id_metadata_document_supported"] is True


async def test_an_app_nobody_registered_signs_a_person_in(provider: Provider, site: Site) -> None:
    app = app_at(site.publish())
    tokens = await sign_in(provider, app, scope="openid offline_access")
    userinfo = await provider.http.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert userinfo.json()["sub"]
    again = (await app.refresh(provider.http, tokens["refresh_token"])).json()
    assert again["refresh_token"] != tokens["refresh_token"]
    assert site.visits == {"/client.json": 1}
    assert site.asked[-1]["accept"] == "application/json"


async def test_its_host_is_shown_wherever_it_is_named_and_consent_is_asked(provider: Provider, site: Site) -> None:
    app = app_at(site.publish(client_name="Your bank"))
    visitor = Visitor(provider)
    login = await visitor.authorize(app.request())
    assert isinstance(login, Page)
    consent = await visitor.log_in(login)
    assert isinstance(consent, Page)
    assert (login.id, consent.id) == ("login", "consent")
    for page in (login, consent):
        assert f'<strong id="client-host">{site.host}</strong>' in page.text
    await visitor.submit(consent, decision="allow")
    select = await visitor.authorize(app.request(prompt="select_account"))
    assert isinstance(select, Page)
    assert f'<strong id="client-host">{site.host}</strong>' in select.text


async def test_a_registered_app_is_shown_without(provider: Provider) -> None:
    login = await Visitor(provider).authorize(App("sample", "http://127.0.0.1/callback").request())
    assert isinstance(login, Page)
    assert "client-host" not in login.text


async def test_a_document_decides_nothing_about_consent_or_logos(provider: Provider, site: Site) -> None:
    url = site.publish(consent="skip", logo_uri="https://evil.example/logo.png", refresh="session", disabled=False)
    visitor = Visitor(provider)
    page = await visitor.log_in(await visitor.authorize(app_at(url).request()))
    assert isinstance(page, Page)
    assert page.id == "consent"
    assert "logo.png" not in page.text


async def test_what_it_may_ask_for(provider: Provider, site: Site) -> None:
    app = app_at(site.publish())
    tokens = await sign_in(provider, app, scope="openid phone notes other", resource=API)
    assert tokens["scope"] == "openid notes"
    named = app_at(site.publish("/named", scope="openid email"))
    assert (await sign_in(provider, named, scope="openid profile email"))["scope"] == "openid email"
    for resource in ("https://private.example.com", f"{API}/", "https://nowhere.example"):
        answer = await Visitor(provider).sign_on(app.request(resource=resource))
        assert answer.error == "invalid_target"


async def test_a_star_means_every_registered_resource_as_of_now(site: Site) -> None:
    app = app_at(site.publish())
    async with provider_of(site, client_documents__resources=("*",)) as provider:
        tokens = await sign_in(provider, app, scope="openid other", resource="https://private.example.com")
        assert tokens["scope"] == "openid other"
        await provider.apply('[[resources]]\nuri = "https://late.example"\n')
        await provider.server.reload_registry()
        assert "access_token" in await sign_in(provider, app, resource="https://late.example")
        assert site.visits["/client.json"] >= 1


async def test_confidential_by_its_keys(provider: Provider, site: Site) -> None:
    jwks = {"keys": [KEYS["ES256"].as_dict(private=False)]}
    url = site.publish("/keys", token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    app = app_at(url)
    code = (await Visitor(provider).sign_on(app.request())).code
    refused = await app.redeem(provider.http, code)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    proof = assertion(provider, "ES256", iss=url, sub=url)
    tokens = await app.redeem(provider.http, code, client_assertion=proof, client_assertion_type=ASSERTION_TYPE)
    assert tokens.status_code == 200, tokens.text


@pytest.mark.parametrize("registered", ["http://localhost/callback", "http://127.0.0.1/callback"])
async def test_a_program_on_the_device_comes_with_any_port(provider: Provider, site: Site, registered: str) -> None:
    """RFC 8252 7.3, and the name that documents of such programs hold."""
    app = replace(app_at(site.publish(redirect_uris=[registered])), redirect_uri=registered.replace("/c", ":51234/c"))
    tokens = await sign_in(provider, app)
    assert "access_token" in tokens
    visitor = Visitor(provider)
    await visitor.sign_on(app.request())
    page = await visitor.authorize(app.request())
    assert isinstance(page, Page)
    assert page.id == "consent", "whoever listens there: nothing is remembered of it"
    for wrong in (registered + "/x", "http://localhost.evil.example/callback", "http://localhost:99999/callback"):
        shown = await visitor.authorize(app.request(redirect_uri=wrong))
        assert isinstance(shown, Page)
        assert shown.id == "error"


async def test_a_registered_app_may_not_use_localhost_so(provider: Provider) -> None:
    await provider.apply(App("cli", "http://localhost/callback", method="none").toml())
    shown = await Visitor(provider).authorize(App("cli", "http://localhost:5123/callback", method="none").request())
    assert isinstance(shown, Page)
    assert shown.id == "error"


async def test_consent_of_an_https_app_is_remembered(provider: Provider, site: Site) -> None:
    app = app_at(site.publish())
    visitor = Visitor(provider)
    await visitor.sign_on(app.request())
    assert not isinstance(await visitor.authorize(app.request()), Page)


async def fetches(provider: Provider, app: App) -> bool:
    """Whether the app is known; the document is read again where it has to be."""
    stop = await Visitor(provider).authorize(app.request())
    return isinstance(stop, Page) and stop.id == "login"


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({}, 300),
        ({"cache-control": "max-age=600"}, 600),
        ({"cache-control": "public, max-age=600, s-maxage=900"}, 900),
        ({"cache-control": "max-age=600", "age": "500"}, 100),
        ({"cache-control": "max-age=1"}, 60),
        ({"cache-control": "no-store"}, 60),
        ({"cache-control": "max-age=999999999"}, 86_400),
    ],
)
async def test_it_is_kept_as_it_says_within_bounds(
    provider: Provider, site: Site, headers: dict[str, str], kept: int
) -> None:
    app = app_at(site.publish(headers=headers))
    assert await fetches(provider, app)
    provider.clock.advance(kept - 1)
    assert await fetches(provider, app)
    assert site.visits["/client.json"] == 1
    provider.clock.advance(1)
    assert await fetches(provider, app)
    assert site.visits["/client.json"] == 2


async def test_a_changed_document_counts_once_the_old_one_is_old(provider: Provider, site: Site) -> None:
    app = app_at(site.publish())
    await sign_in(provider, app)
    moved = replace(app_at(site.publish(redirect_uris=["https://app.example/new"])), redirect_uri=f"{REDIRECT[:-2]}new")
    assert not await fetches(provider, moved)
    provider.clock.advance(301)
    assert await fetches(provider, moved)
    assert not await fetches(provider, app)
    await sign_in(provider, moved)
    events = (await provider.control("audit.tail", limit=100))["events"]
    told = [line["detail"]["redirect_uris"] for line in events if line["event"] == "client.document"]
    assert told == [[REDIRECT], ["https://app.example/new"]]


async def test_an_outage_of_its_site_harms_nobody_for_a_while(provider: Provider, site: Site) -> None:
    app = app_at(site.publish())
    tokens = await sign_in(provider, app, scope="openid offline_access")
    site.say(b"", status=503)
    provider.clock.advance(301)
    tokens = (await app.refresh(provider.http, tokens["refresh_token"])).json()
    assert (await app.refresh(provider.http, tokens["refresh_token"])).status_code == 200
    assert site.visits["/client.json"] == 2, "one try a minute"
    provider.clock.advance(86_400 + 1)
    late = await app.refresh(provider.http, "rt.x")
    assert (late.status_code, late.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("status", [404, 410])
async def test_an_app_that_is_gone_refreshes_no_more(provider: Provider, site: Site, status: int) -> None:
    app = app_at(site.publish())
    tokens = await sign_in(provider, app, scope="openid offline_access")
    site.say(b"", status=status)
    provider.clock.advance(301)
    assert (await app.refresh(provider.http, tokens["refresh_token"])).status_code == 401
    site.publish()
    assert (await app.refresh(provider.http, tokens["refresh_token"])).status_code == 200


async def test_userinfo_and_introspection_depend_on_no_foreign_site(site: Site, tmp_path: Path) -> None:
    """Not even in a process that never saw the document."""
    clock = MovingClock()
    app = app_at(site.publish())
    given = {"client_documents__mode": "any", "outbound__ca_file": str(site.ca_file)}
    async with Provider(clock=clock, data_dir=tmp_path, **given) as provider:
        access = (await sign_in(provider, app))["access_token"]
    site.replies.clear()
    before = site.visits.total()
    header = {"authorization": f"Bearer {access}"}
    async with Provider(clock=clock, data_dir=tmp_path, **given) as provider:
        assert (await provider.http.get("/userinfo", headers=header)).status_code == 200
        assert site.visits.total() == before
    async with Provider(clock=clock, data_dir=tmp_path) as provider:
        assert (await provider.http.get("/userinfo", headers=header)).status_code == 401, "switched off"


async def test_fifty_at_once_are_one_fetch(provider: Provider, site: Site) -> None:
    app = app_at(site.publish())
    site.held.clear()
    waiting = [asyncio.create_task(provider.browser().get("/authorize", params=app.request())) for _ in range(50)]
    while not site.visits:
        await asyncio.sleep(0.01)
    site.held.set()
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {303}
    assert site.visits["/client.json"] == 1


async def test_who_began_the_fetch_may_go_away(provider: Provider, site: Site) -> None:
    app = app_at(site.publish())
    site.held.clear()
    first = asyncio.create_task(provider.browser().get("/authorize", params=app.request()))
    while not site.visits:
        await asyncio.sleep(0.01)
    second = asyncio.create_task(provider.browser().get("/authorize", params=app.request()))
    await asyncio.sleep(0)
    first.cancel()
    site.held.set()
    assert (await second).status_code == 303
    assert site.visits["/client.json"] == 1


async def test_strangers_cannot_make_it_fetch_without_end(provider: Provider, site: Site) -> None:
    known = app_at(site.publish("/known"))
    assert await fetches(provider, known)
    answers = [
        await provider.http.get("/authorize", params=app_at(site.url(f"/{number}")).request()) for number in range(40)
    ]
    assert {answer.status_code for answer in answers[:29]} == {401}
    assert {answer.status_code for answer in answers[30:]} == {429}
    assert int(answers[-1].headers["retry-after"]) > 0
    assert site.visits.total() == 30
    provider.clock.advance(301)
    for _ in range(40):
        await provider.http.get("/authorize", params=app_at(site.url("/more")).request())
    assert await fetches(provider, known), "who was known before is renewed beyond any share"


async def test_a_browser_app_may_read_its_answers(provider: Provider, site: Site) -> None:
    app = app_at(site.publish())
    code = (await Visitor(provider).sign_on(app.request())).code
    origin = "https://app.example"
    preflight = await provider.http.options("/token", headers={"origin": origin})
    assert preflight.headers["access-control-allow-origin"] == origin
    assert "MCP-Protocol-Version" in preflight.headers["access-control-allow-headers"]
    data = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "client_id": app.client_id}
    answer = await provider.http.post("/token", data=data, headers={"origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    other = await provider.http.post("/token", data=data, headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


async def test_an_operator_keeps_one_out_and_lets_it_in_again(provider: Provider, site: Site) -> None:
    app = app_at(site.publish())
    tokens = await sign_in(provider, app, scope="openid offline_access")
    header = {"authorization": f"Bearer {tokens['access_token']}"}
    await provider.control("client.disable", client_id=app.client_id)
    await provider.server.reload_registry()
    assert not await fetches(provider, app)
    assert (await provider.http.get("/userinfo", headers=header)).status_code == 401
    assert (await app.refresh(provider.http, tokens["refresh_token"])).status_code == 401
    listed = (await provider.control("client.list"))["clients"]
    assert [one["client_id"] for one in listed if one.get("disabled")] == [app.client_id]
    text = (await provider.control("export", section="clients"))["text"]
    await provider.apply(text)  # what is exported can be read
    await provider.control("client.enable", client_id=app.client_id)
    await provider.server.reload_registry()
    assert (await provider.http.get("/userinfo", headers=header)).status_code == 200
    assert await fetches(provider, app)


async def test_removing_one_ends_all_it_holds(provider: Provider, site: Site) -> None:
    app = app_at(site.publish())
    tokens = await sign_in(provider, app, scope="openid offline_access")
    assert (await provider.control("client.remove", client_id=app.client_id))["grants_revoked"] == 1
    await provider.server.reload_registry()
    refused = await app.refresh(provider.http, tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert await fetches(provider, app)


async def test_a_registered_client_of_that_name_comes_first(provider: Provider, site: Site) -> None:
    url = site.publish()
    await provider.apply(App(url, "https://app.example/ours", method="none", members={"consent": "skip"}).toml())
    assert await fetches(provider, App(url, "https://app.example/ours", method="none"))
    assert not await fetches(provider, app_at(url))
    assert site.visits.total() == 0


async def test_listed_hosts_alone(site: Site) -> None:
    app = app_at(site.publish())
    site.visits.clear()
    for hosts, good in (
        ((site.host,), True),
        (("*.example.org", f"*.{site.host.partition('.')[2]}"), True),
        (("docs.localhost",), False),
        (("*.ocs.localhost",), False),
    ):
        async with provider_of(site, client_documents__mode="listed", client_documents__hosts=hosts) as provider:
            before = site.visits.total()
            assert await fetches(provider, app) is good
            assert site.visits.total() == before + good


async def test_off_nothing_is_fetched(site: Site) -> None:
    app = app_at(site.publish())
    site.visits.clear()
    async with provider_of(site, client_documents__mode="off") as provider:
        assert not await fetches(provider, app)
        assert "client_id_metadata_document_supported" not in await discovery(provider.http)
    assert site.visits.total() == 0


async def test_serve_calls_no_loopback_site(site: Site, tmp_path: Path) -> None:
    app = app_at(site.publish())
    site.visits.clear()
    given = {"client_documents__mode": "any", "outbound__ca_file": str(site.ca_file)}
    async with serving(tmp_path, **given) as (_, http):
        answer = await http.get("/authorize", params=app.request())
        assert answer.status_code == 401
    assert site.visits.total() == 0


async def test_the_account_page_names_it_by_what_it_calls_itself_and_withdraws(provider: Provider, site: Site) -> None:
    app = app_at(site.publish())
    visitor = Visitor(provider)
    await visitor.sign_on(app.request())
    page = await visitor.open("/account")
    assert isinstance(page, Page)
    assert "Example app" in page.text
