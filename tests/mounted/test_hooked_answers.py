"""Claims, consent and events of the app (docs/hooks.md): what they may do, and what happens when they fail."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support import WEB, Answer, App, Page, Visitor, claims_of, granted, register, sign_in, userinfo
from support.mounted import MountedProvider
from users_table import PASSWORD, Users

from idp.hooks import ClaimsAsked, ConsentAsked, Event, Hooks
from idp.hooks_calling import Caller
from idp.protocol.errors import Busy
from idp.store.accounts import find_by_username

pytestmark = pytest.mark.anyio

API = """
[[resources]]
uri = "https://api.test"
access_token_format = "opaque"

[[clients]]
client_id = "api"
client_secret = "secret-of-the-api-0123456789abcdef"
grant_types = []
audiences = ["https://api.test", "http://localhost:8000/auth"]
"""
RESOURCE = App("api", secret="secret-of-the-api-0123456789abcdef")


def plan_of(asked: ClaimsAsked) -> Mapping[str, Any]:
    who = None if asked.sub is None else {"sub": asked.sub, "name": asked.claims.get("name")}
    return {"plan": {"document": asked.document, "scope": list(asked.scope), "who": who}}


async def test_claims_are_added_to_every_document(tmp_path: Path) -> None:
    async with MountedProvider(hooks=Hooks(claims=plan_of, accounts=Users()), data_dir=tmp_path) as provider:
        await provider.apply(API)
        await register(provider, WEB)
        tokens = await sign_in(provider, WEB, "carol", PASSWORD)
        who = {"sub": "7", "name": "Carol Jones"}
        found = [
            (await claims_of(provider.http, tokens["access_token"]))["plan"],
            (await claims_of(provider.http, tokens["id_token"]))["plan"],
            (await userinfo(provider.http, tokens["access_token"])).json()["plan"],
            (await RESOURCE.introspect(provider.http, tokens["access_token"]))["plan"],
        ]
        documents = ["access_token", "id_token", "userinfo", "access_token"]
        assert found == [{"document": each, "scope": ["openid"], "who": who} for each in documents]


async def test_an_opaque_token_has_them_and_so_does_a_service(tmp_path: Path) -> None:
    service = App(
        "worker",
        secret="secret-of-worker-0123456789abcdef",
        scope="",
        grant_types=("client_credentials",),
        members={"resources": ["https://api.test"]},
    )
    async with MountedProvider(hooks=Hooks(claims=plan_of), data_dir=tmp_path) as provider:
        await provider.apply(API)
        await register(provider, service)
        token = (await service.token(provider.http, "client_credentials", resource="https://api.test")).json()
        told = await RESOURCE.introspect(provider.http, token["access_token"])
        assert told["plan"] == {"document": "access_token", "scope": [], "who": None}


async def test_what_the_server_says_nobody_says_instead(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    evil = {
        **{"iss": "https://evil.test", "sub": "bob", "aud": "x", "exp": 9e9, "cnf": {"jkt": "x"}, "act": {"sub": "x"}},
        **{"scope": "admin", "client_id": "x", "amr": ["hwk"], "acr": "high", "grant": "x", "nonce": "x", "jti": "x"},
        "roles": ["editor"],
    }
    async with MountedProvider(hooks=Hooks(claims=lambda asked: evil), data_dir=tmp_path) as provider:
        await register(provider, WEB)
        tokens = await sign_in(provider, WEB)
        for name in ("access_token", "id_token"):
            claims = await claims_of(provider.http, tokens[name])
            assert claims["roles"] == ["editor"]
            assert claims["iss"] == provider.issuer
            assert not {"cnf", "act"} & claims.keys()
            assert all(claims.get(member) != evil[member] for member in evil.keys() - {"roles"})
        told = (await userinfo(provider.http, tokens["access_token"])).json()
        assert told.keys() == {"sub", "roles"}
        assert told["sub"] != "bob"
    assert "hook claims may not say acr, act, amr" in caplog.text
    assert caplog.text.count("hook claims may not say") == 1


def raises(asked: object) -> Any:
    raise LookupError("no such tenant")


@pytest.mark.parametrize("hook", [raises, lambda asked: ["roles"], lambda asked: {"roles": object()}])
async def test_without_its_word_there_is_no_token(hook: Callable[[Any], Any], tmp_path: Path) -> None:
    async with MountedProvider(hooks=Hooks(claims=hook), data_dir=tmp_path) as provider:
        await register(provider, WEB)
        visitor = Visitor(provider)
        answer = await visitor.sign_on(WEB.request())
        refused = await WEB.redeem(provider.http, answer.code)
        assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")
        await visitor.aclose()


async def test_the_consent_policy(tmp_path: Path) -> None:
    asked: list[ConsentAsked] = []
    policy: dict[str, Any] = {"answer": None}

    async def consent(request: ConsentAsked) -> Any:
        asked.append(request)
        return policy["answer"]

    async def stop(visitor: Visitor, **changes: str) -> str | None:
        found = await visitor.authorize(WEB.request(**changes))
        return found.id if isinstance(found, Page) else found.error

    async with MountedProvider(hooks=Hooks(consent=consent), data_dir=tmp_path) as provider:
        await register(provider, WEB)
        visitor = Visitor(provider)
        policy["answer"] = "skip"
        assert granted(await visitor.log_in(await visitor.authorize(WEB.request())))
        assert (asked[-1].client_id, asked[-1].username, asked[-1].scope) == ("web", "alice", ("openid",))
        assert await stop(visitor, prompt="consent") == "consent"  # the app's own wish is above it
        policy["answer"] = None
        assert granted(await visitor.sign_on(WEB.request(scope="openid email"), decision="allow"))
        assert await stop(visitor, scope="openid email") is None
        assert asked[-1].allowed_before
        policy["answer"] = "require"
        assert await stop(visitor, scope="openid email") == "consent"
        assert await stop(visitor, scope="openid email", prompt="none") == "consent_required"
        page = await visitor.authorize(WEB.request(scope="openid email"))
        assert granted(await visitor.submit(page, decision="allow"))  # asked every time, and answered once
        trusted = App("web", WEB.redirect_uri, WEB.secret, members={"consent": "skip"})
        await register(provider, trusted)
        await provider.server.reload_registry(force=True)
        policy["answer"] = "ask"
        assert await stop(visitor, scope="openid profile") == "consent"
        policy["answer"] = "perhaps"
        busy = await visitor.authorize(WEB.request())
        assert isinstance(busy, Page)
        assert (busy.id, busy.status) == ("busy", 503)
        await visitor.aclose()


async def test_events_come_in_order_once_they_are_committed(tmp_path: Path) -> None:
    told: list[Event] = []
    async with MountedProvider(hooks=Hooks(events=told.append), data_dir=tmp_path) as provider:
        await register(provider, WEB)
        await sign_in(provider, WEB)

        def half_done(connection: Any) -> None:
            provider.server.journal.record(connection, provider.clock(), "grant.revoked", client_id="web")
            raise ValueError("rolled back")

        with pytest.raises(ValueError, match="rolled back"):
            await provider.server.database.write(half_done)
        alice = await provider.server.database.read(find_by_username, "alice")
    assert alice is not None
    lines = [each.event for each in told]
    assert lines.index("key.created") < lines.index("server.started") < lines.index("session.started")
    assert [each for each in lines if each in ("session.started", "consent.granted", "authorization.granted")] == [
        *("session.started", "consent.granted", "authorization.granted"),
    ]
    assert "grant.revoked" not in lines
    assert "tokens.issued" in lines  # what was counted is written, and told, at the end
    started = next(each for each in told if each.event == "session.started")
    assert (started.sub, started.detail["amr"]) == (alice.account.id, "pwd")
    assert [each.seq for each in told] == sorted(each.seq for each in told)


async def test_an_event_hook_that_fails_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    async def events(event: Event) -> None:
        told.append(event.event)
        raise RuntimeError("the queue is away")

    async with MountedProvider(hooks=Hooks(events=events), data_dir=tmp_path) as provider:
        await register(provider, WEB)
        assert "access_token" in await sign_in(provider, WEB)
    assert {"session.started", "authorization.granted"} <= set(told)
    assert "hook events failed: RuntimeError" in caplog.text


async def test_whoever_answers_nothing_is_waited_for_so_long(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    caller, go_on = Caller(threads=1, seconds=0.05), threading.Event()

    async def never() -> None:
        await asyncio.Event().wait()

    try:
        for hook in (never, lambda: go_on.wait(10)):
            async with asyncio.timeout(2):
                with pytest.raises(Busy):
                    await caller.call("claims", hook, returns=dict)
        assert caplog.text.count("hook claims gave no answer | expected: one within 0.05 s") == 2
        waiting = [asyncio.create_task(caller.call("claims", dict, returns=dict)) for _ in range(6)]
        with pytest.raises(Busy):  # its thread is taken, and the line is full
            await waiting[-1]
        assert "every thread is taken" in caplog.text
        await asyncio.gather(*waiting, return_exceptions=True)
        go_on.set()
        while True:  # free again, once it came back
            try:
                assert await caller.call("claims", dict, returns=dict) == {}
                break
            except Busy:
                await asyncio.sleep(0.01)
    finally:
        go_on.set()
        caller.close()


async def test_a_token_of_another_sub_stays_the_hosts_person(tmp_path: Path) -> None:
    """Pairwise: the app around us hears whom it knows, the client another ``sub``."""
    clinic = App("clinic", "https://clinic.test/cb", "secret-of-clinic-0123456789abcdef")
    pairwise = App(clinic.client_id, clinic.redirect_uri, clinic.secret, members={"subject_type": "pairwise"})
    async with MountedProvider(hooks=Hooks(claims=plan_of, accounts=Users()), data_dir=tmp_path) as provider:
        await register(provider, pairwise)
        visitor = Visitor(provider)
        answer = await visitor.sign_on(pairwise.request(), "carol", PASSWORD)
        assert isinstance(answer, Answer)
        tokens = (await pairwise.redeem(provider.http, answer.code)).json()
        claims = await claims_of(provider.http, tokens["id_token"])
        assert claims["sub"] != "7"
        assert claims["plan"]["who"]["sub"] == "7"
        await visitor.aclose()
