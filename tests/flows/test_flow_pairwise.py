"""Pairwise subjects (OIDC Core 8): one sub in a sector, wherever a sub is told, and none that two sectors share."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import Answer, App, Page, Visitor, claims_of, discovery, granted, register, sign_in, unverified, userinfo
from support.loopback import sink
from support.sector_site import SectorSite, sector_site

from idp.config.toml_source import TomlSource
from idp.control import ControlError
from idp.manifest import parse_manifest
from idp.testing import Provider

pytestmark = pytest.mark.anyio


def app(name: str, host: str, **members: Any) -> App:
    members = {"subject_type": "pairwise", "consent": "skip", **members}
    return App(name, f"https://{host}/cb", f"secret-of-{name}-0123456789abcdef", members=members)


ONE = app("pair-one", "one.test")
SAME = app("pair-same", "one.test")
TWO = app("pair-two", "two.test", id_token_signed_response_alg="ES256")
PLAIN = app("plain", "plain.test", subject_type="public")


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, ONE, SAME, TWO, PLAIN)


@pytest.fixture
def site() -> Iterator[SectorSite]:
    with sector_site() as found:
        yield found


async def subjects(provider: Provider, party: App, person: str = "alice") -> set[str]:
    """Every sub this client hears of a person."""
    tokens = await sign_in(provider, party, person, scope="openid profile offline_access")
    refreshed = (await party.refresh(provider.http, tokens["refresh_token"])).json()
    found = [
        (await claims_of(provider.http, answer[name]))["sub"]
        for answer in (tokens, refreshed)
        for name in ("id_token", "access_token")
    ]
    found.append((await userinfo(provider.http, tokens["access_token"])).json()["sub"])
    for token in (tokens["access_token"], refreshed["refresh_token"]):
        found.append((await party.introspect(provider.http, token))["sub"])
    by_command = await provider.control("token", person=person, client=party.client_id)
    found.append(unverified(by_command["access_token"])[1]["sub"])
    return set(found)


async def test_is_announced_in_discovery(provider: Provider) -> None:
    assert (await discovery(provider.http))["subject_types_supported"] == ["public", "pairwise"]


async def test_one_sub_in_every_place(provider: Provider) -> None:
    (one,) = await subjects(provider, ONE)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", one)
    assert await subjects(provider, SAME) == {one}, "the same host, the same sector"
    (two,) = await subjects(provider, TWO)
    (bob,) = await subjects(provider, ONE, "bob")
    assert len({one, two, bob, "alice"}) == 4
    assert await subjects(provider, PLAIN) == {"alice"}


async def test_the_access_token_still_finds_its_person(provider: Provider) -> None:
    tokens = await sign_in(provider, ONE, scope="openid profile")
    assert (await userinfo(provider.http, tokens["access_token"])).json()["name"] == "Alice Archer"


@pytest.mark.parametrize("kind", ["id_token", "code id_token token"])
async def test_the_same_in_answers_of_the_browser(tmp_path: Path, kind: str) -> None:
    """With them the claims that are asked for by name, and what the sign-in earned."""
    members = {**ONE.members, "response_types": [kind]}
    front = App(
        "pair-front", ONE.redirect_uri, ONE.secret, grant_types=("authorization_code", "implicit"), members=members
    )
    async with Provider(data_dir=tmp_path, implicit_and_hybrid=True) as provider:
        await register(provider, ONE, front)
        visitor = Visitor(provider)
        asked = json.dumps({"id_token": {"name": None, "acr": {"essential": True}}})
        stop = await visitor.arrive(front.request(response_type=kind, claims=asked, scope="openid email"))
        assert isinstance(stop, Answer), stop
        told = unverified(stop.members["id_token"])[1]
        back = await sign_in(provider, ONE)
        assert told["sub"] == unverified(back["id_token"])[1]["sub"] != "alice"
        assert (told["name"], told["acr"]) == ("Alice Archer", "urn:idp:acr:pwd")
        if "token" in kind.split():
            access = stop.members["access_token"]
            assert unverified(access)[1]["sub"] == told["sub"]
            assert (await userinfo(provider.http, access)).json()["sub"] == told["sub"]
        await visitor.aclose()


async def test_introspection_names_nobody(provider: Provider) -> None:
    """A user name would join what the sub keeps apart."""
    for party, names in ((ONE, False), (PLAIN, True)):
        tokens = await sign_in(provider, party, scope="openid offline_access")
        for token in (tokens["access_token"], tokens["refresh_token"]):
            shown = await party.introspect(provider.http, token)
            assert shown["active"]
            assert ("username" in shown) is names
            assert names or "alice" not in json.dumps(shown)


async def test_nothing_of_the_account_stands_in_the_tokens(provider: Provider) -> None:
    tokens = await sign_in(provider, ONE, scope="openid")
    for name in ("id_token", "access_token"):
        assert "alice" not in json.dumps(unverified(tokens[name]))


async def test_its_own_sub_serves_as_a_hint_and_no_other(provider: Provider) -> None:
    visitor = Visitor(provider)
    tokens = (await ONE.redeem(provider.http, (await visitor.sign_on(ONE.request())).code)).json()
    assert granted(await visitor.authorize(ONE.request(id_token_hint=tokens["id_token"], prompt="none")))
    sub = unverified(tokens["id_token"])[1]["sub"]
    asked = json.dumps({"id_token": {"sub": {"value": sub}}})
    assert granted(await visitor.authorize(ONE.request(claims=asked, prompt="none")))
    bobs = await sign_in(provider, ONE, "bob")
    for wrong in (
        ONE.request(id_token_hint=bobs["id_token"], prompt="none"),
        ONE.request(claims=json.dumps({"id_token": {"sub": {"value": "alice"}}}), prompt="none"),
        TWO.request(claims=asked, prompt="none"),
        TWO.request(id_token_hint=tokens["id_token"], prompt="none"),
    ):
        stop = await visitor.authorize(wrong)
        assert isinstance(stop, Answer)
        assert stop.error == "login_required"
    # Another person than the hint's signs in: refused, and not asked in circles.
    page = await visitor.authorize(ONE.request(id_token_hint=bobs["id_token"]))
    stop = await visitor.log_in(page, "alice")
    assert isinstance(stop, Answer)
    assert stop.error == "login_required"
    page = await visitor.authorize(ONE.request(id_token_hint=bobs["id_token"]))
    assert granted(await visitor.log_in(page, "bob"))
    await visitor.aclose()


async def test_signing_out_by_its_own_id_token_asks_nothing_and_tells_its_own_sub(provider: Provider) -> None:
    with sink() as listener:
        told = app("pair-told", "told.test", backchannel_logout_uri=listener.url)
        await register(provider, told)
        visitor = Visitor(provider)
        tokens = (await told.redeem(provider.http, (await visitor.sign_on(told.request())).code)).json()
        stop = await visitor.open("/logout", {"id_token_hint": tokens["id_token"]})
        assert isinstance(stop, Page)
        assert stop.id == "logged-out"
        await provider.advance(1)
        form = await asyncio.to_thread(listener.take)
        heard, known = unverified(form["logout_token"])[1], unverified(tokens["id_token"])[1]
        assert (heard["sub"], heard["sid"]) == (known["sub"], known["sid"])
        assert heard["sub"] != "alice"
        await visitor.aclose()


async def test_somebody_elses_id_token_signs_nobody_out(provider: Provider) -> None:
    bobs = await sign_in(provider, ONE, "bob")
    visitor = Visitor(provider)
    await visitor.sign_on(ONE.request())
    stop = await visitor.open("/logout", {"id_token_hint": bobs["id_token"]})
    assert isinstance(stop, Page)
    assert stop.id == "logout", "asks first"
    await visitor.aclose()


async def test_a_sector_document_joins_hosts(provider: Provider, site: SectorSite) -> None:
    first = app("pair-a", "a.test", sector_identifier_uri=site.url)
    second = app("pair-b", "b.test", sector_identifier_uri=site.url)
    site.lists([first.redirect_uri, second.redirect_uri, "https://c.test/cb"])
    await register(provider, first, second)
    assert site.visits == 2
    assert await subjects(provider, first) == await subjects(provider, second)
    assert await subjects(provider, first) != await subjects(provider, ONE)
    await register(provider, first, second)
    renamed = app("pair-a", "a.test", sector_identifier_uri=site.url, client_name="Another name")
    await register(provider, renamed)
    assert site.visits == 2, "read again only where an address changed"
    site.lists([second.redirect_uri])
    moved = App("pair-a", "https://d.test/cb", renamed.secret, members=renamed.members)
    with pytest.raises(ControlError, match=r"https://d\.test/cb"):
        await register(provider, moved)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"redirect_uris": ["https://a.test/cb", "https://b.test/cb"]}, "sector_identifier_uri"),
        ({"redirect_uris": ["https://a.test/cb"], "sector_identifier_uri": "http://a.test/s.json"}, "https"),
        ({"redirect_uris": ["https://a.test/cb"], "subject_type": "other"}, "subject_type"),
    ],
)
async def test_what_has_no_sector_is_refused(provider: Provider, members: dict[str, Any], said: str) -> None:
    named = {"client_id": "refused", "token_endpoint_auth_method": "none", "subject_type": "pairwise", **members}
    with pytest.raises(ControlError) as refused:
        await provider.control("client.add", client=named)
    assert said in str(refused.value)
    assert await provider.server.client("refused") is None


async def test_a_client_that_is_added_alone_is_looked_up_too(provider: Provider, site: SectorSite) -> None:
    named = {
        "client_id": "pair-added",
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["https://a.test/cb", "https://b.test/cb"],
        "subject_type": "pairwise",
        "sector_identifier_uri": site.url,
    }
    site.lists(["https://a.test/cb"])
    with pytest.raises(ControlError, match=r"https://b\.test/cb"):
        await provider.control("client.add", client=named)
    assert await provider.server.client("pair-added") is None
    site.lists(named["redirect_uris"])  # type: ignore[arg-type]
    await provider.control("client.add", client=named)
    assert await provider.server.client("pair-added") is not None


async def test_hosts_are_compared_and_not_ports_paths_or_cases(provider: Provider) -> None:
    uris = ["https://One.test:8443/other", "https://one.test/cb?x=1"]
    wide = App("pair-wide", uris[0], "secret-of-wide-0123456789", members={**ONE.members, "redirect_uris": uris})
    text = wide.toml().replace(f'redirect_uris = ["{uris[0]}"]\n', "")
    await provider.apply(text)
    stored = await provider.server.client("pair-wide")
    assert stored is not None
    assert stored.sector == "one.test"


async def test_an_installed_app_shares_with_nobody(provider: Provider, site: SectorSite) -> None:
    """Every app on a device has its loopback address and schemes of its own: no host speaks for them."""
    redirects = {"own-scheme": "com.example.app:/cb", "loopback": "http://127.0.0.1/cb", "other": "http://127.0.0.1/cb"}
    parties = [
        App(name, uri, method="none", members={**ONE.members, "application_type": "native"})
        for name, uri in redirects.items()
    ]
    await register(provider, *parties)
    found = set()
    for party in parties:
        tokens = await sign_in(provider, party)
        found.add(unverified(tokens["id_token"])[1]["sub"])
    assert len(found) == 3
    site.lists([parties[1].redirect_uri])
    together = {**parties[1].members, "sector_identifier_uri": site.url}
    await register(provider, App("loopback", parties[1].redirect_uri, method="none", members=together))
    stored = await provider.server.client("loopback")
    assert stored is not None
    assert stored.sector == "127.0.0.1", "the document's host speaks, wherever it is"


REGISTRATION = {"registration__mode": "open"}


async def test_an_app_that_registers_itself_shows_its_sector(tmp_path: Path, site: SectorSite) -> None:
    """OpenID Connect Registration 5, over HTTP."""
    async with Provider(data_dir=tmp_path, **REGISTRATION) as provider:
        members = {
            "redirect_uris": ["https://a.test/cb", "https://b.test/cb"],
            "subject_type": "pairwise",
            "sector_identifier_uri": site.url,
        }
        site.lists(["https://a.test/cb"])
        answer = await provider.http.post("/register", json=members)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
        assert "https://b.test/cb" in answer.json()["error_description"]
        answer = await provider.http.post("/register", json={**members, "sector_identifier_uri": None})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
        site.lists(members["redirect_uris"])  # type: ignore[arg-type]
        answer = await provider.http.post("/register", json=members)
        assert answer.status_code == 201, answer.text
        assert (answer.json()["subject_type"], answer.json()["sector_identifier_uri"]) == ("pairwise", site.url)


async def test_a_plan_says_that_everybody_becomes_a_stranger(provider: Provider) -> None:
    mover = app("pair-mover", "mover.test")
    await register(provider, mover)
    for changed in (
        App("pair-mover", "https://elsewhere.test/cb", mover.secret, members=mover.members),
        app("pair-mover", "mover.test", subject_type="public"),
    ):
        outcome = (await planned(provider, changed))["breaks"]
        assert any("another sub" in line for line in outcome)
    same = App("pair-mover", "https://mover.test/other", mover.secret, members=mover.members)
    assert not any("another sub" in line for line in (await planned(provider, same))["breaks"])


async def planned(provider: Provider, party: App) -> dict[str, Any]:
    manifest = parse_manifest(TomlSource(party.toml(), "test"), provider.data_dir)
    answer = await provider.control("apply", manifest=msgspec.to_builtins(manifest, builtin_types=(bytes,)), plan=True)
    (entry,) = answer["outcomes"]
    return dict(entry)


async def test_keys_come_and_go_and_the_sub_stays() -> None:
    async with Provider() as provider:
        await register(provider, ONE)
        (before,) = await subjects(provider, ONE)
        await provider.control("keys.rotate", emergency=True)
        await provider.control("keys.rotate", emergency=True, fresh=True)
        assert await subjects(provider, ONE) == {before}


async def test_it_is_exported_as_it_was_registered(provider: Provider) -> None:
    text = ""
    section, after = "", ""
    while section is not None:
        piece = await provider.control("export", section=section, after=after)
        text, section, after = text + piece["text"], piece["section"], piece["after"]
    entry = next(part for part in text.split("[[clients]]") if '"pair-one"' in part)
    assert 'subject_type = "pairwise"' in entry


EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
CHAIN = """
[[scopes]]
name = "see"
[[resources]]
uri = "https://orders.test"
[[resources]]
uri = "https://stock.test"
"""


async def test_whoever_is_pairwise_stays_so_down_a_chain_of_services(provider: Provider) -> None:
    """RFC 8693: the service that exchanges a token learns no more of the person than it was shown."""
    await provider.apply(CHAIN)
    shop = App("pair-shop", ONE.redirect_uri, ONE.secret, scope="openid see", members=dict(ONE.members))
    shop.members["resources"] = ["https://orders.test"]  # type: ignore[index]
    service = App(
        "pair-service",
        secret="secret-of-service-0123456789",
        scope="see",
        grant_types=(EXCHANGE,),
        members={
            "audiences": ["https://orders.test"],
            "resources": ["https://stock.test"],
            "token_exchange": ["delegation"],
        },
    )
    await register(provider, shop, service)
    shown = await sign_in(provider, shop, scope="openid see", resource="https://orders.test")
    form = {"subject_token_type": "urn:ietf:params:oauth:token-type:access_token", "resource": "https://stock.test"}
    answer = await service.token(provider.http, EXCHANGE, subject_token=shown["access_token"], **form)
    first, second = unverified(shown["access_token"])[1], unverified(answer.json()["access_token"])[1]
    assert second["sub"] == first["sub"] != "alice"
    assert (second["acr"], second["auth_time"]) == (first["acr"], first["auth_time"])
    assert "username" not in await service.introspect(provider.http, answer.json()["access_token"])
