"""The device authorization grant (RFC 8628): a code on one screen, a person at another."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
import sqlalchemy as sa
from support import NATIVE, App, Page, Visitor, claims_of, discovery, register, userinfo
from support.devices import DEVICE_GRANT, TV, ask, at_device, decide, enter, poll
from support.dpop import ProofKey

from idp.protocol.device import ALPHABET, shown, typed, user_code
from idp.store.device_decisions import deny
from idp.store.schema_protocols import device_codes
from idp.testing import Provider
from idp.web.device import device_of

pytestmark = pytest.mark.anyio

API = "https://lights.test"
BOX = App(
    "box",
    secret="secret-of-box-0123456789abcdef",
    scope="openid offline_access lights",
    grant_types=(DEVICE_GRANT, "refresh_token"),
    members={"resources": [API], "refresh": "session"},
)
CATALOGUE = f"""
[[scopes]]
name = "lights"
description = "Switch your lights"
[[resources]]
uri = "{API}"
name = "Lights"
scopes = ["lights"]
"""


@pytest.fixture(autouse=True, scope="module")
async def devices(provider: Provider) -> None:
    await provider.apply(CATALOGUE)
    await register(provider, TV, BOX)


async def refused(response: Any, error: str, status: int = 400) -> None:
    assert (response.status_code, response.json()["error"]) == (status, error), response.text
    assert response.headers["cache-control"] == "no-store"


async def test_a_device_is_told_what_to_show(provider: Provider) -> None:
    answer = await TV.call(provider.http, "/device_authorization", {"scope": "openid"})
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert re.fullmatch(f"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}", told["user_code"])
    assert re.fullmatch(r"dc\.[A-Za-z0-9_-]{43}", told["device_code"])
    assert told | {"user_code": "", "device_code": ""} == {
        "device_code": "",
        "user_code": "",
        "verification_uri": f"{provider.issuer}/device",
        "verification_uri_complete": f"{provider.issuer}/device?user_code={told['user_code']}",
        "expires_in": 600,
        "interval": 5,
    }
    document = await discovery(provider.http)
    assert document["device_authorization_endpoint"] == f"{provider.issuer}/device_authorization"
    assert DEVICE_GRANT in document["grant_types_supported"]


async def test_from_the_code_to_tokens_and_their_end(provider: Provider, visitor: Visitor) -> None:
    told = await ask(provider.http, scope="openid profile offline_access")
    code = told["device_code"]
    await refused(await poll(provider.http, code), "authorization_pending")
    page = await decide(visitor, told["user_code"])
    assert isinstance(page, Page)
    assert (page.id, page.status) == ("device-done", 200)
    assert "Living room TV" in page.text
    provider.clock.advance(5)
    answer = await poll(provider.http, code)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    claims = await claims_of(provider.http, tokens["id_token"])
    assert (claims["sub"], claims["aud"], claims["amr"]) == ("alice", "tv", ["pwd"])
    assert claims["auth_time"] <= claims["iat"]
    assert "sid" not in claims, "what outlives the session has no part in it"
    assert (await userinfo(provider.http, tokens["access_token"])).json()["name"] == "Alice Archer"
    renewed = await TV.refresh(provider.http, tokens["refresh_token"])
    assert renewed.status_code == 200
    await refused(await poll(provider.http, code), "invalid_grant")
    assert (await TV.refresh(provider.http, renewed.json()["refresh_token"])).status_code == 200, "no theft concluded"
    await TV.revoke(provider.http, renewed.json()["refresh_token"])
    assert (await userinfo(provider.http, tokens["access_token"])).status_code == 401
    await visitor.open("/device", {"t": "nothing of ours"})


async def test_what_lives_in_the_session_ends_with_it(provider: Provider, visitor: Visitor) -> None:
    told = await ask(provider.http, BOX, scope="openid lights", resource=API)
    page = await enter(visitor, told["user_code"])
    assert isinstance(page, Page)
    for words in ("Switch your lights", API, "Lights"):
        assert words in page.text
    await visitor.submit(page, decision="allow")
    tokens = (await poll(provider.http, told["device_code"], BOX)).json()
    claims = await claims_of(provider.http, tokens["access_token"])
    assert (claims["aud"], claims["scope"]) == (API, "openid lights")
    assert (await claims_of(provider.http, tokens["id_token"]))["sid"]
    stop = await visitor.open("/logout")
    await visitor.submit(stop, decision="logout")
    await refused(await BOX.refresh(provider.http, tokens["refresh_token"]), "invalid_grant")


async def test_a_person_who_left_before_the_poll(provider: Provider) -> None:
    """Signing out ends what lives in the session, and not what was granted beyond it."""
    for scope, status in (("openid", 400), ("openid offline_access", 200)):
        visitor = Visitor(provider)
        told = await ask(provider.http, scope=scope)
        await decide(visitor, told["user_code"])
        await visitor.submit(await visitor.open("/logout"), decision="logout")
        assert (await poll(provider.http, told["device_code"])).status_code == status
        await visitor.aclose()


async def test_a_code_may_be_typed_in_any_way(provider: Provider, visitor: Visitor) -> None:
    told = await ask(provider.http)
    code = told["user_code"].lower().replace("-", "")
    page = await enter(visitor, f" {code[:3]} {code[3:5]}\u2013{code[5:]} ")
    assert isinstance(page, Page)
    assert page.id == "device-confirm"
    assert told["user_code"] in page.text


@pytest.mark.parametrize("text", ["", "BCDF", "BCDF-GHJA", "BCDF-GHJKL", "B" * 4000, "BCDF-GHJK'--", "ßßßß"])
async def test_what_is_no_code_is_told_without_a_look(provider: Provider, visitor: Visitor, text: str) -> None:
    page = await enter(visitor, text)
    assert isinstance(page, Page)
    assert (page.id, page.status) == ("device", 400)
    assert "No device waits with this code" in page.text


async def test_the_code_in_the_address_survives_the_sign_in_and_fills_the_field(provider: Provider) -> None:
    for given, expected in (("bcdfghjk", "BCDF-GHJK"), ("<script>", "")):
        visitor = Visitor(provider)
        page = await at_device(visitor, given)
        assert (page.id, page.inputs["user_code"]) == ("device", expected)
        page = await at_device(visitor, given)
        assert page.inputs["user_code"] == expected
        await visitor.aclose()


async def test_a_refusal_is_a_refusal(provider: Provider, visitor: Visitor) -> None:
    told = await ask(provider.http)
    page = await decide(visitor, told["user_code"], "deny")
    assert isinstance(page, Page)
    assert "refused" in page.text
    await refused(await poll(provider.http, told["device_code"]), "access_denied")
    gone = await enter(visitor, told["user_code"])
    assert isinstance(gone, Page)
    assert gone.id == "device"


async def test_an_answer_counts_once(provider: Provider, visitor: Visitor) -> None:
    """Two tabs: the second decision is told that there was one."""
    told = await ask(provider.http)
    first, second = await enter(visitor, told["user_code"]), await enter(visitor, told["user_code"])
    await visitor.submit(first, decision="deny")
    page = await visitor.submit(second, decision="allow")
    assert isinstance(page, Page)
    assert (page.id, page.status) == ("device", 400)
    assert "answered already" in page.text
    await refused(await poll(provider.http, told["device_code"]), "access_denied")


async def test_a_click_that_comes_too_late_by_a_moment(provider: Provider, visitor: Visitor) -> None:
    """The code ran out between the look at it and the decision."""
    server, told = provider.server, await ask(provider.http)
    await at_device(visitor)
    device, _ = await device_of(server, typed(told["user_code"]) or "") or (None, None)
    assert device is not None
    for late in (device.expires_at, device.expires_at + 1):
        assert not await server.database.write(deny, server.journal, device, "alice", late)
    assert await server.database.write(deny, server.journal, device, "alice", server.now())


async def test_neither_code_is_kept_in_the_open(provider: Provider, visitor: Visitor) -> None:
    told = await ask(provider.http)
    rows = await provider.server.database.read(lambda c: c.execute(sa.select(device_codes)).all())
    kept = repr(rows)
    assert told["device_code"] not in kept
    code = typed(told["user_code"]) or ""
    assert code not in kept
    assert repr(hashlib.sha256(code.encode()).digest()) not in kept, "nor as what anybody could count through"
    answer = await poll(provider.http, told["device_code"] + "x")
    assert told["device_code"] not in answer.text


async def test_what_a_client_may_ask(provider: Provider) -> None:
    http = provider.http
    await refused(await NATIVE.call(http, "/device_authorization", {"scope": "openid"}), "unauthorized_client")
    await refused(await TV.call(http, "/device_authorization", {"scope": "openid lights"}), "invalid_scope")
    await refused(await TV.call(http, "/device_authorization", {"resource": API}), "invalid_target")
    await refused(await http.post("/device_authorization", data={"client_id": "box"}), "invalid_client", 401)
    await refused(await http.post("/device_authorization", data={"client_id": "nobody"}), "invalid_client", 401)
    await refused(await TV.token(http, DEVICE_GRANT), "invalid_request")
    assert (await http.get("/device_authorization")).status_code == 405


async def test_tokens_are_never_wider_than_the_answer(provider: Provider, visitor: Visitor) -> None:
    told = await ask(provider.http, scope="openid")
    await decide(visitor, told["user_code"])
    await refused(await poll(provider.http, told["device_code"], scope="openid profile"), "invalid_scope")
    await refused(await poll(provider.http, told["device_code"], resource=API), "invalid_target")
    assert (await poll(provider.http, told["device_code"], scope="openid")).json()["scope"] == "openid"


async def test_waiting_is_no_refusal_in_log_and_audit(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    told = await ask(provider.http, BOX)
    before = await lines(provider)
    with caplog.at_level("INFO", "idp.refusals"):
        await refused(await poll(provider.http, told["device_code"], BOX), "authorization_pending")
    assert await lines(provider) == before
    assert [record for record in caplog.records if record.name.startswith("idp")] == []


async def lines(provider: Provider) -> int:
    return len((await provider.control("audit.tail", limit=10_000))["events"])


async def test_the_audit_says_what_was_allowed_and_from_where(provider: Provider, visitor: Visitor) -> None:
    told = await ask(provider.http)
    await decide(visitor, told["user_code"])
    events = (await provider.control("audit.tail", limit=2))["events"]
    assert [event["event"] for event in events] == ["consent.granted", "authorization.granted"]
    assert {event["client_id"] for event in events} == {"tv"}
    assert events[0]["detail"] == {"scope": "openid", "remembered": False, "device": "127.0.0.0/24"}
    assert told["user_code"] not in json.dumps(events)


async def test_a_person_who_is_removed_or_disabled_takes_their_yes_along(provider: Provider) -> None:
    for operation in ("user.disable", "user.remove"):
        name = operation.replace(".", "-")
        await provider.control("user.add", username=name, password=name)
        visitor = Visitor(provider)
        told = await ask(provider.http, scope="openid offline_access")
        await decide(visitor, told["user_code"], username=name)
        await provider.control(operation, username=name)
        await refused(await poll(provider.http, told["device_code"]), "invalid_grant")
        await visitor.aclose()


async def test_what_a_removed_app_waited_for_is_gone(provider: Provider) -> None:
    await provider.apply(TV.toml().replace('"tv"', '"old-tv"'))
    gone = App("old-tv", method="none", scope=TV.scope, grant_types=TV.grant_types)
    await ask(provider.http, gone)
    await provider.control("client.remove", client_id="old-tv")
    clients = sa.select(device_codes.c.client_id)
    assert "old-tv" not in await provider.server.database.read(lambda c: c.execute(clients).scalars().all())


async def test_an_app_with_this_grant_alone_registers_itself(provider: Provider) -> None:
    async with Provider(
        registration__mode="open", registration__grant_types=[DEVICE_GRANT, "refresh_token"]
    ) as another:
        members = {"grant_types": [DEVICE_GRANT], "token_endpoint_auth_method": "none", "client_name": "Shell"}
        answer = await another.http.post("/register", json=members)
        assert answer.status_code == 201, answer.text
        own = App(answer.json()["client_id"], method="none")
        assert (await ask(another.http, own))["user_code"]


async def test_rows_go(provider: Provider, visitor: Visitor) -> None:
    told = await ask(provider.http)
    provider.clock.advance(601)
    await refused(await poll(provider.http, told["device_code"]), "expired_token")
    await provider.advance(601)
    await refused(await poll(provider.http, told["device_code"]), "invalid_grant")
    assert await provider.server.database.read(lambda c: c.execute(sa.select(device_codes)).all()) == []


def test_codes_are_spread_over_all_there_are() -> None:
    assert user_code(bytes(16)) == "BBBBBBBB"
    assert user_code((20**8 - 1).to_bytes(16)) == "ZZZZZZZZ"
    assert len({user_code(number.to_bytes(16)) for number in range(8000)}) == 8000
    assert typed(shown("BCDFGHJK")) == "BCDFGHJK"


async def test_a_device_with_a_key_binds_what_it_gets(provider: Provider, visitor: Visitor) -> None:
    """RFC 9449 5: a device proves nothing else, so its refresh token is good with its key alone."""
    told = await ask(provider.http, scope="openid offline_access")
    await decide(visitor, told["user_code"])
    key, url = ProofKey(provider.clock), f"{provider.issuer}/token"
    form = {"grant_type": DEVICE_GRANT, "device_code": told["device_code"]}
    tokens = (await TV.call(provider.http, "/token", form, DPoP=key.proof("POST", url))).json()
    assert tokens["token_type"] == "DPoP"
    assert (await claims_of(provider.http, tokens["access_token"]))["cnf"] == {"jkt": key.jkt}
    await refused(await TV.refresh(provider.http, tokens["refresh_token"]), "invalid_grant")
    renewed = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    answer = await TV.call(provider.http, "/token", renewed, DPoP=key.proof("POST", url))
    assert answer.status_code == 200, answer.text
