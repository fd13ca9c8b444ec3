"""A registered client's own entry (RFC 7592): read, replaced, removed, by the one token that belongs to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from support import App, discovery, sign_in, userinfo

from idp.store.schema import clients, consents, grants, redirect_uses
from idp.store.schema_protocols import registrations
from idp.testing import Provider

pytestmark = pytest.mark.anyio

URI = "https://app.test/cb"
Members = dict[str, Any]
# What only the server says; a client leaves it out when it sends the rest back (RFC 7592 2.2).
OURS = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[Provider]:
    async with Provider(registration__mode="open", registration__network=10_000) as started:
        yield started


async def registered(provider: Provider, **members: Any) -> Members:
    given = {"redirect_uris": [URI], "grant_types": ["authorization_code", "refresh_token"], **members}
    answer = await provider.http.post("/register", json=given)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def manage(
    provider: Provider, method: str, found: Mapping[str, Any], body: Any = None, token: str | None = None
) -> httpx2.Response:
    headers = {"authorization": f"Bearer {token or found['registration_access_token']}"}
    return await provider.http.request(method, found["registration_client_uri"], json=body, headers=headers)


def sendable(found: Mapping[str, Any], **changes: Any) -> Members:
    return {name: value for name, value in {**found, **changes}.items() if name not in OURS}


def app_of(found: Mapping[str, Any]) -> App:
    return App(found["client_id"], URI, found.get("client_secret"), found["token_endpoint_auth_method"])


async def test_where_it_is_managed_every_answer_says(provider: Provider) -> None:
    """Nothing of it is announced in discovery: each client has its own address."""
    assert "registration_client_uri" not in await discovery(provider.http)
    found = await registered(provider)
    assert found["registration_client_uri"].startswith(f"{provider.issuer}/register/client?client_id=")


async def test_it_reads_itself_without_its_secret(provider: Provider) -> None:
    found = await registered(provider, client_name="Album", initiate_login_uri="https://app.test/login")
    answer = await manage(provider, "GET", found)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    secret = {"client_secret", "client_secret_expires_at"}
    assert answer.json() == {name: value for name, value in found.items() if name not in secret}


async def test_what_is_left_out_has_its_default_again(provider: Provider) -> None:
    found = await registered(provider, client_name="Album", contacts=["a@app.test"], scope="openid email")
    renamed = {"client_id": found["client_id"], "client_name": "Photos", "redirect_uris": ["https://app.test/new"]}
    answer = await manage(provider, "PUT", found, renamed)
    assert answer.status_code == 200, answer.text
    now = answer.json()
    assert (now["client_name"], now["redirect_uris"]) == ("Photos", ["https://app.test/new"])
    assert now["grant_types"] == ["authorization_code"]
    assert now["scope"] == "openid profile email address phone"
    assert not {"contacts", "client_secret"} & now.keys()
    assert now["registration_access_token"] == found["registration_access_token"], "its token stays"
    assert (await manage(provider, "GET", found)).json() == now
    assert app_of(found).request()["redirect_uri"] != now["redirect_uris"][0]
    refused = await provider.http.get("/authorize", params=app_of(found).request())
    assert (refused.status_code, 'id="error"' in refused.text) == (400, True), "the old address is refused at once"


async def test_its_secret_stays_and_another_method_gets_another_one(provider: Provider) -> None:
    found = await registered(provider)
    same = await manage(provider, "PUT", found, sendable(found, client_name="New name"))
    assert same.status_code == 200
    tokens = await sign_in(provider, app_of(found))
    assert tokens["access_token"]
    public = sendable(found, token_endpoint_auth_method="none", client_secret=None)
    assert "client_secret" not in (await manage(provider, "PUT", found, public)).json()
    posting = {**public, "token_endpoint_auth_method": "client_secret_post"}
    again = (await manage(provider, "PUT", found, posting)).json()
    assert again["client_secret"] != found["client_secret"]
    assert again["client_secret_expires_at"] == 0
    assert (await app_of(found).token(provider.http, "refresh_token", refresh_token="x")).status_code == 401
    fresh = App(found["client_id"], URI, again["client_secret"], "client_secret_post")
    assert (await fresh.token(provider.http, "refresh_token", refresh_token="x")).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "another"},
        {"client_id": None},
        {"client_secret": "another-secret-0123456789abcdef"},
        {"client_secret": 7},
        {"registration_access_token": "ra.x"},
        {"registration_client_uri": "https://evil.test"},
        {"client_id_issued_at": 1},
        {"client_secret_expires_at": 0},
        {"redirect_uris": ["https://app.test/#x"]},
        {"scope": "admin"},
        {"client_name": "x" * 500},
    ],
)
async def test_a_refused_change_changes_nothing(provider: Provider, change: Members) -> None:
    found = await registered(provider, client_name="Album")
    before = (await manage(provider, "GET", found)).json()
    answer = await manage(provider, "PUT", found, {**sendable(found, client_name="Other"), **change})
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_client_metadata", "invalid_redirect_uri")
    assert (await manage(provider, "GET", found)).json() == before


async def test_only_its_own_token_opens_it(provider: Provider) -> None:
    one, two = await registered(provider), await registered(provider)
    unknown = {**one, "registration_client_uri": f"{provider.issuer}/register/client?client_id=nobody"}
    nameless = {**one, "registration_client_uri": f"{provider.issuer}/register/client"}
    sample = {**one, "registration_client_uri": f"{provider.issuer}/register/client?client_id=sample"}
    for method in ("GET", "PUT", "DELETE"):
        body = sendable(two) if method == "PUT" else None
        for found, token in ((two, one["registration_access_token"]), (two, "ra.x"), (unknown, None), (nameless, None)):
            answer = await manage(provider, method, found, body, token)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert (await manage(provider, method, sample, body)).status_code == 401, "an operator's app has no such token"
        assert (await provider.http.request(method, two["registration_client_uri"])).status_code == 401
    assert (await manage(provider, "GET", two)).status_code == 200
    assert (await manage(provider, "POST", two)).status_code == 405


async def test_two_who_change_it_at_once_each_leave_a_whole_entry(provider: Provider) -> None:
    found = await registered(provider)
    changes = [sendable(found, client_name=f"Name {n}", contacts=[f"{n}@app.test"]) for n in range(8)]
    answers = await asyncio.gather(*(manage(provider, "PUT", found, change) for change in changes))
    assert {answer.status_code for answer in answers} <= {200, 503}
    now = (await manage(provider, "GET", found)).json()
    assert now["contacts"] == [f"{now['client_name'].removeprefix('Name ')}@app.test"]


async def test_removed_it_is_gone_with_all_it_had(provider: Provider) -> None:
    found, other = await registered(provider), await registered(provider)
    tokens = await sign_in(provider, app_of(found), scope="openid offline_access")
    theirs = await sign_in(provider, app_of(other), scope="openid offline_access")
    answer = await manage(provider, "DELETE", found)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    assert (await app_of(found).refresh(provider.http, tokens["refresh_token"])).status_code == 401
    for method in ("GET", "PUT", "DELETE"):
        assert (await manage(provider, method, found, sendable(found))).status_code == 401
    await provider.advance(16)
    assert left_of(provider, found["client_id"]) == []
    assert (await userinfo(provider.http, theirs["access_token"])).status_code == 200
    assert (await app_of(other).refresh(provider.http, theirs["refresh_token"])).status_code == 200


def left_of(provider: Provider, client_id: str) -> list[str]:
    """Tables that still know a client, but for the grants that are revoked."""

    def look(connection: Connection) -> list[str]:
        tables = (clients, registrations, consents, redirect_uses, grants)
        found = []
        for table in tables:
            mine = table.c.client_id == client_id
            live = mine & grants.c.revoked_at.is_(None) if table is grants else mine
            if connection.execute(sa.select(table.c.client_id).where(live).limit(1)).first():
                found.append(str(table.name))
        return found

    return provider.server.database.read_now(look)  # type: ignore[attr-defined]


async def test_an_operator_disables_it_and_removes_it(provider: Provider) -> None:
    found = await registered(provider)
    await provider.control("client.disable", client_id=found["client_id"])
    answer = await manage(provider, "PUT", found, sendable(found))
    assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    await provider.control("client.enable", client_id=found["client_id"])
    assert (await manage(provider, "GET", found)).status_code == 200
    await provider.control("client.remove", client_id=found["client_id"])
    assert (await manage(provider, "GET", found)).status_code == 401
    assert left_of(provider, found["client_id"]) == []


async def test_an_apply_file_that_names_it_makes_it_the_operators(provider: Provider) -> None:
    found, untouched = await registered(provider), await registered(provider)
    listed = (await provider.control("client.list", limit=1000))["clients"]
    assert {one["client_id"]: one.get("registered", False) for one in listed}[found["client_id"]] is True
    text = f'[[clients]]\nclient_id = "{found["client_id"]}"\nclient_secret = "{"s" * 32}"\nredirect_uris = ["{URI}"]'
    await provider.apply(text)
    for method in ("GET", "PUT", "DELETE"):
        assert (await manage(provider, method, found, sendable(found))).status_code == 401
    await provider.advance(provider.server.settings.registration.unused_lifetime + 1)
    await provider.server.reload_registry()
    assert await provider.server.client(found["client_id"]), "and nobody removes it for being unused"
    assert await provider.server.client(untouched["client_id"]) is None


async def test_an_export_leaves_it_out_unless_asked(provider: Provider) -> None:
    found = await registered(provider)
    texts = [(await provider.control("export", section="clients", registered=each))["text"] for each in (False, True)]
    assert [found["client_id"] in text for text in texts] == [False, True]
    assert "registered" not in texts[1]
    assert all("sample" in text for text in texts)


async def test_without_management_there_is_neither_address_nor_token() -> None:
    from idp.features import FEATURES

    kept = [feature for feature in FEATURES if feature.name != "registration management"]
    async with Provider(registration__mode="open", features=kept) as provider:
        found = await registered(provider)
        assert not {"registration_client_uri", "registration_access_token"} & found.keys()


async def test_what_happened_is_in_the_audit(provider: Provider) -> None:
    found = await registered(provider)
    await manage(provider, "PUT", found, sendable(found, client_name="Told"))
    await manage(provider, "PUT", found, sendable(found, client_name="x" * 500))
    await manage(provider, "DELETE", found)
    events = (await provider.control("audit.tail", limit=1000))["events"]
    mine = [(one["event"], one["detail"]) for one in events if one["client_id"] == found["client_id"]]
    assert [event for event, _ in mine] == [
        "client.registered",
        "client.updated",
        "client.refused",
        "client.unregistered",
    ]
    assert mine[1][1] == {"changed": ["client_name"]}
    assert mine[3][1] == {"reason": "by its owner"}
