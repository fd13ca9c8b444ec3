"""DPoP (RFC 9449) over HTTP: tokens bound to a key, at the token endpoint, UserInfo, introspection and /hello."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support import SPA, WEB, App, Visitor, at_the_root, claims_of, discovery, register
from support.dpop import ProofKey

from idp.features import FEATURES
from idp.testing import MovingClock, Provider

pytestmark = pytest.mark.anyio

GRANTS = ("authorization_code", "refresh_token", "client_credentials")
BOUND = App(
    "bound",
    "https://bound.test/cb",
    "secret-of-bound-0123456789abcdef",
    grant_types=GRANTS,
    members={"dpop_bound_access_tokens": True},
)
OFFLINE = "openid email offline_access"


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, BOUND)


@pytest.fixture
def key(provider: Provider) -> ProofKey:
    return ProofKey(provider.clock)


def token_url(provider: Provider) -> str:
    return f"{provider.issuer}/token"


async def code_of(visitor: Visitor, app: App, **changes: str | None) -> str:
    return (await visitor.sign_on(app.request(scope=OFFLINE, prompt="consent", **changes))).code


async def ask(provider: Provider, app: App, proof: str | None, **form: Any) -> httpx2.Response:
    headers = {} if proof is None else {"DPoP": proof}
    return await app.call(provider.http, "/token", form, **headers)


async def redeem(provider: Provider, app: App, code: str, proof: str | None) -> httpx2.Response:
    from support import VERIFIER

    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect_uri}
    return await ask(provider, app, proof, code_verifier=VERIFIER, **form)


async def tokens_of(provider: Provider, visitor: Visitor, app: App, key: ProofKey) -> dict[str, Any]:
    answer = await redeem(provider, app, await code_of(visitor, app), key.proof("POST", token_url(provider)))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def refresh(provider: Provider, app: App, token: str, proof: str | None) -> httpx2.Response:
    return await ask(provider, app, proof, grant_type="refresh_token", refresh_token=token)


async def userinfo(
    provider: Provider, token: str, proof: str | None, scheme: str = "DPoP", method: str = "GET"
) -> httpx2.Response:
    headers = {"Authorization": f"{scheme} {token}"} | ({} if proof is None else {"DPoP": proof})
    return await provider.http.request(method, "/userinfo", headers=headers)


async def test_it_is_announced(provider: Provider) -> None:
    document = await discovery(provider.http)
    assert document["dpop_signing_alg_values_supported"] == ["ES256", "PS256", "EdDSA", "Ed25519", "RS256"]


@pytest.mark.parametrize("alg", ["ES256", "PS256", "EdDSA", "Ed25519", "RS256"])
async def test_a_token_bound_to_its_clients_key(provider: Provider, visitor: Visitor, alg: str) -> None:
    key = ProofKey(provider.clock, alg)
    tokens = await tokens_of(provider, visitor, WEB, key)
    assert tokens["token_type"] == "DPoP"
    claims = await claims_of(provider.http, tokens["access_token"])
    assert claims["cnf"] == {"jkt": key.jkt}
    shown = await WEB.introspect(provider.http, tokens["access_token"])
    assert (shown["active"], shown["token_type"], shown["cnf"]) == (True, "DPoP", {"jkt": key.jkt})
    url = f"{provider.issuer}/userinfo"
    for method in ("GET", "POST"):
        answer = await userinfo(
            provider, tokens["access_token"], key.proof(method, url, tokens["access_token"]), method=method
        )
        assert answer.json()["email"] == "alice@example.com"
        assert "dpop-nonce" not in answer.headers


async def test_without_a_proof_everything_is_as_before(provider: Provider, visitor: Visitor) -> None:
    answer = await redeem(provider, WEB, await code_of(visitor, WEB), None)
    assert answer.json()["token_type"] == "Bearer"
    assert "cnf" not in await claims_of(provider.http, answer.json()["access_token"])
    assert "cnf" not in await WEB.introspect(provider.http, answer.json()["access_token"])


async def test_an_opaque_token_is_bound_too(provider: Provider, key: ProofKey) -> None:
    """RFC 9449 6.2: the API hears of it from introspection."""
    await provider.apply('[[resources]]\nuri = "https://opaque.test"\naccess_token_format = "opaque"')
    members = {"resources": ["https://opaque.test"], "audiences": ["https://opaque.test"]}
    app = App("api", "", "secret-of-api-0123456789abcdef", scope="", grant_types=GRANTS[2:], members=members)
    await register(provider, app)
    form = {"grant_type": "client_credentials", "resource": "https://opaque.test"}
    answer = await ask(provider, app, key.proof("POST", token_url(provider)), **form)
    assert answer.json()["token_type"] == "DPoP"
    shown = await app.introspect(provider.http, answer.json()["access_token"])
    assert (shown["token_type"], shown["cnf"]) == ("DPoP", {"jkt": key.jkt})


async def test_the_scheme_is_not_case_sensitive(provider: Provider, visitor: Visitor, key: ProofKey) -> None:
    token = (await tokens_of(provider, visitor, WEB, key))["access_token"]
    for scheme in ("dpop", "DPOP"):
        proof = key.proof("GET", f"{provider.issuer}/userinfo", token)
        assert (await userinfo(provider, token, proof, scheme)).status_code == 200


async def test_a_bound_token_is_no_bearer_token(provider: Provider, visitor: Visitor, key: ProofKey) -> None:
    token = (await tokens_of(provider, visitor, WEB, key))["access_token"]
    proof = key.proof("GET", f"{provider.issuer}/userinfo", token)
    for with_proof in (None, proof):
        answer = await userinfo(provider, token, with_proof, "Bearer")
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert 'DPoP algs="ES256' in answer.headers["www-authenticate"]
    in_form = await provider.http.post("/userinfo", data={"access_token": token}, headers={"DPoP": proof})
    assert in_form.status_code == 401


async def test_a_bearer_token_is_no_bound_one(provider: Provider, visitor: Visitor, key: ProofKey) -> None:
    token = (await redeem(provider, WEB, await code_of(visitor, WEB), None)).json()["access_token"]
    answer = await userinfo(provider, token, key.proof("GET", f"{provider.issuer}/userinfo", token))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"].startswith('DPoP error="invalid_token"')


async def test_challenges_name_the_scheme_that_was_used(provider: Provider, key: ProofKey) -> None:
    nothing = await provider.http.get("/userinfo")
    pointer = f'resource_metadata="{at_the_root(provider.issuer)}"'
    assert nothing.headers["www-authenticate"].startswith(f'Bearer realm="idp", {pointer}, DPoP algs="')
    answer = await userinfo(provider, "x.y.z", key.proof("GET", f"{provider.issuer}/userinfo", "x.y.z"))
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('DPoP realm="idp", error="invalid_token"')
    assert challenge.endswith(f'algs="ES256 PS256 EdDSA Ed25519 RS256", {pointer}')


async def test_a_proof_counts_once_at_userinfo(provider: Provider, visitor: Visitor, key: ProofKey) -> None:
    token = (await tokens_of(provider, visitor, WEB, key))["access_token"]
    proof = key.proof("GET", f"{provider.issuer}/userinfo", token)
    assert (await userinfo(provider, token, proof)).status_code == 200
    again = await userinfo(provider, token, proof)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_dpop_proof")
    assert "used before" in again.json()["error_description"]


async def test_of_many_requests_with_one_proof_one_counts(provider: Provider, key: ProofKey) -> None:
    proof = key.proof("POST", token_url(provider))
    asking = (ask(provider, BOUND, proof, grant_type="client_credentials") for _ in range(32))
    answers = await asyncio.gather(*asking)
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 31
    assert {a.json().get("error") for a in answers} == {None, "invalid_dpop_proof"}


async def test_one_jti_of_two_keys_is_two_proofs(provider: Provider, key: ProofKey) -> None:
    for one in (key, ProofKey(provider.clock)):
        proof = one.proof("POST", token_url(provider), jti="the-same")
        assert (await ask(provider, BOUND, proof, grant_type="client_credentials")).status_code == 200


async def test_the_memory_of_proofs_has_an_end() -> None:
    async with Provider() as provider:
        await register(provider, BOUND)
        key = ProofKey(provider.clock)

        async def remembered() -> int:
            import sqlalchemy as sa

            from idp.store.schema import spent_values

            count = sa.select(sa.func.count()).where(spent_values.c.purpose == "dpop")
            return int(await provider.server.database.read(lambda c: c.execute(count).scalar_one()))

        assert (await ask(provider, BOUND, None, grant_type="client_credentials")).status_code == 400
        assert await remembered() == 0
        proof = key.proof("POST", token_url(provider), iat=int(provider.clock()) + 10)
        assert (await ask(provider, BOUND, proof, grant_type="client_credentials")).status_code == 200
        assert await remembered() == 1
        await provider.advance(69)  # 59 s old: it would still be good
        assert (await ask(provider, BOUND, proof, grant_type="client_credentials")).status_code == 400
        assert await remembered() == 1
        await provider.advance(60)
        assert await remembered() == 0


async def test_a_client_that_promised_proofs_is_refused_without(provider: Provider, visitor: Visitor) -> None:
    """RFC 9449 5.2. The code is not spent by it."""
    code = await code_of(visitor, BOUND)
    answer = await redeem(provider, BOUND, code, None)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    key = ProofKey(provider.clock)
    assert (await redeem(provider, BOUND, code, key.proof("POST", token_url(provider)))).status_code == 200


async def test_switched_off_nothing_bound_becomes_a_bearer_token(tmp_path: Path) -> None:
    """Tokens stay bound, and a client that was promised bound ones gets no others."""
    clock = MovingClock()
    async with Provider(data_dir=tmp_path, clock=clock) as provider:
        await register(provider, WEB, BOUND)
        visitor = Visitor(provider)
        token = (await tokens_of(provider, visitor, WEB, ProofKey(clock)))["access_token"]
        await visitor.aclose()
    kept = [feature for feature in FEATURES if feature.name != "DPoP"]
    async with Provider(data_dir=tmp_path, clock=clock, features=kept) as provider:
        key = ProofKey(clock)
        proof = key.proof("POST", token_url(provider))
        plain = await ask(provider, BOUND, proof, grant_type="client_credentials")
        assert (plain.status_code, plain.json()["error"]) == (400, "unauthorized_client")
        for scheme in ("Bearer", "DPoP"):
            answer = await userinfo(provider, token, None, scheme)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
            assert "DPoP" not in answer.headers["www-authenticate"]


@pytest.mark.parametrize("app", [WEB, SPA], ids=["confidential", "public"])
async def test_a_code_bound_to_a_key(provider: Provider, visitor: Visitor, app: App, key: ProofKey) -> None:
    """RFC 9449 10: whoever intercepts it lacks the key."""
    url, other = token_url(provider), ProofKey(provider.clock)
    code = await code_of(visitor, app, dpop_jkt=key.jkt)
    for proof in (None, other.proof("POST", url)):
        answer = await redeem(provider, app, code, proof)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert "another key" in answer.json()["error_description"]
    assert (await redeem(provider, app, code, key.proof("POST", url))).status_code == 200


@pytest.mark.parametrize("value", ["short", "x" * 44, "x" * 42 + "="])
async def test_a_key_that_is_none_is_refused(visitor: Visitor, value: str) -> None:
    answer = await visitor.sign_on(WEB.request(dpop_jkt=value))
    assert answer.error == "invalid_request"


async def test_refresh_tokens_of_public_clients_are_bound(provider: Provider, visitor: Visitor, key: ProofKey) -> None:
    url, tokens = token_url(provider), await tokens_of(provider, visitor, SPA, key)
    for proof in (None, ProofKey(provider.clock).proof("POST", url)):
        refused = await refresh(provider, SPA, tokens["refresh_token"], proof)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    renewed = await refresh(provider, SPA, tokens["refresh_token"], key.proof("POST", url))
    assert renewed.json()["token_type"] == "DPoP"
    assert (await claims_of(provider.http, renewed.json()["access_token"]))["cnf"] == {"jkt": key.jkt}
    # A thief without the key cannot end the family either, with a token that is old and genuine.
    provider.clock.advance(60)
    later = (await refresh(provider, SPA, renewed.json()["refresh_token"], key.proof("POST", url))).json()
    assert (await refresh(provider, SPA, tokens["refresh_token"], None)).json()["error"] == "invalid_grant"
    assert (await refresh(provider, SPA, later["refresh_token"], key.proof("POST", url))).status_code == 200


async def test_refresh_tokens_of_confidential_clients_are_not(provider: Provider, visitor: Visitor) -> None:
    """RFC 9449 5: they prove themselves anyway, and may take a new key."""
    first, second = ProofKey(provider.clock), ProofKey(provider.clock)
    tokens = await tokens_of(provider, visitor, WEB, first)
    renewed = await refresh(provider, WEB, tokens["refresh_token"], second.proof("POST", token_url(provider)))
    assert (await claims_of(provider.http, renewed.json()["access_token"]))["cnf"] == {"jkt": second.jkt}
    plain = await refresh(provider, WEB, renewed.json()["refresh_token"], None)
    assert plain.json()["token_type"] == "Bearer"


async def test_a_family_is_bound_by_the_first_proof(provider: Provider, visitor: Visitor, key: ProofKey) -> None:
    bearer = (await redeem(provider, SPA, await code_of(visitor, SPA), None)).json()
    bound = await refresh(provider, SPA, bearer["refresh_token"], key.proof("POST", token_url(provider)))
    assert bound.json()["token_type"] == "DPoP"
    for token in (bearer["refresh_token"], bound.json()["refresh_token"]):
        assert (await refresh(provider, SPA, token, None)).json()["error"] == "invalid_grant"


KEPT = App(
    "kept", "https://kept.test/cb", "secret-of-kept-0123456789abcdef", members={"refresh_rotation": False}
)


async def test_a_client_may_keep_its_refresh_token(provider: Provider, visitor: Visitor) -> None:
    """FAPI 2.0 5.3.2.1: no rotation where the client proves itself anyway. Each use keeps the family alive."""
    await register(provider, KEPT)
    tokens = (await KEPT.redeem(provider.http, await code_of(visitor, KEPT))).json()
    for _ in range(3):
        provider.clock.advance(80_000)
        again = await KEPT.refresh(provider.http, tokens["refresh_token"])
        assert again.json()["refresh_token"] == tokens["refresh_token"]
    many = await asyncio.gather(*(KEPT.refresh(provider.http, tokens["refresh_token"]) for _ in range(8)))
    assert {answer.status_code for answer in many} == {200}
    provider.clock.advance(90_000)
    assert (await KEPT.refresh(provider.http, tokens["refresh_token"])).status_code == 400


async def test_a_client_that_stops_rotating_keeps_what_it_has(provider: Provider, visitor: Visitor) -> None:
    app = App("stops", "https://stops.test/cb", "secret-of-stops-0123456789abcdef")
    await register(provider, app)
    first = (await app.redeem(provider.http, await code_of(visitor, app))).json()["refresh_token"]
    second = (await app.refresh(provider.http, first)).json()["refresh_token"]
    await register(provider, App(app.client_id, app.redirect_uri, app.secret, members={"refresh_rotation": False}))
    lost = (await app.refresh(provider.http, first)).json()["refresh_token"]  # within its grace
    kept = (await app.refresh(provider.http, second)).json()["refresh_token"]
    assert second == lost == kept != first


async def test_a_public_client_rotates_or_is_bound(provider: Provider) -> None:
    public = App("pub", "https://pub.test/cb", method="none", members={"refresh_rotation": False})
    with pytest.raises(Exception, match=r"RFC 9700 2\.2\.2"):
        await register(provider, public)
    bound = {"refresh_rotation": False, "dpop_bound_access_tokens": True}
    await register(provider, App("pub", "https://pub.test/cb", method="none", members=bound))


async def test_bound_tokens_do_not_come_from_the_authorization_endpoint() -> None:
    """Where no proof can be sent, nothing can be bound."""
    async with Provider(implicit_and_hybrid=True) as provider:
        members = {**BOUND.members, "response_types": ["code", "code token"]}
        grants = (*GRANTS, "implicit")
        app = App(BOUND.client_id, BOUND.redirect_uri, BOUND.secret, grant_types=grants, members=members)
        with pytest.raises(Exception, match=r"binds no access token \(RFC 9449 5\.2\)"):
            await register(provider, app)
        await register(provider, replace(app, members={**members, "dpop_bound_access_tokens": False}))


async def test_the_sample_resource_takes_both(provider: Provider, visitor: Visitor, key: ProofKey) -> None:
    token, url = (await tokens_of(provider, visitor, WEB, key))["access_token"], f"{provider.issuer}/hello"
    proof = key.proof("GET", url, token)
    headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
    assert (await provider.http.get("/hello", headers=headers)).status_code == 200
    again = await provider.http.get("/hello", headers=headers)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_dpop_proof")
    assert again.headers["www-authenticate"].startswith('DPoP realm="hello", error="invalid_dpop_proof"')
    downgraded = await provider.http.get("/hello", headers={"Authorization": f"Bearer {token}"})
    assert downgraded.json()["error"] == "invalid_token"


async def test_a_browser_app_may_send_proofs_and_read_nonces(provider: Provider, key: ProofKey) -> None:
    headers = {"origin": "https://spa.test", "access-control-request-method": "POST"}
    asked = await provider.http.options("/token", headers=headers)
    assert "DPoP" in asked.headers["access-control-allow-headers"]
    form = {"client_id": "spa", "grant_type": "authorization_code", "code": "x"}
    told = await provider.http.post("/token", data=form, headers={"origin": "https://spa.test"})
    assert "DPoP-Nonce" in told.headers["access-control-expose-headers"]


# -- nonces (RFC 9449 8 and 9)


@pytest.fixture(scope="module")
async def asking() -> AsyncIterator[Provider]:
    async with Provider(clock=MovingClock(), dpop__nonce="required") as provider:
        await register(provider, WEB, SPA, BOUND)
        yield provider


async def test_a_nonce_is_asked_for_and_taken(asking: Provider) -> None:
    key, url = ProofKey(asking.clock), token_url(asking)
    first = await ask(asking, BOUND, key.proof("POST", url), grant_type="client_credentials")
    assert (first.status_code, first.json()["error"]) == (400, "use_dpop_nonce")
    nonce = first.headers["dpop-nonce"]
    with_it = await ask(asking, BOUND, key.proof("POST", url, nonce=nonce), grant_type="client_credentials")
    assert with_it.status_code == 200
    assert with_it.headers["dpop-nonce"] == nonce


async def test_a_nonce_is_a_window_of_time(asking: Provider) -> None:
    """No row is written for one, and any node takes it: it is computed."""
    key, url = ProofKey(asking.clock), token_url(asking)

    async def with_nonce(nonce: str) -> httpx2.Response:
        return await ask(asking, BOUND, key.proof("POST", url, nonce=nonce), grant_type="client_credentials")

    old = (await with_nonce("made up")).headers["dpop-nonce"]
    asking.clock.advance(120)
    still = await with_nonce(old)
    assert still.status_code == 200
    assert still.headers["dpop-nonce"] != old
    asking.clock.advance(120)
    late = await with_nonce(old)
    assert (late.status_code, late.json()["error"]) == (400, "use_dpop_nonce")


async def test_userinfo_asks_for_a_nonce_too(asking: Provider) -> None:
    key, url, visitor = ProofKey(asking.clock), token_url(asking), Visitor(asking)
    nonce = (await ask(asking, BOUND, key.proof("POST", url), grant_type="client_credentials")).headers["dpop-nonce"]
    code = await code_of(visitor, SPA)
    token = (await redeem(asking, SPA, code, key.proof("POST", url, nonce=nonce))).json()["access_token"]
    there = f"{asking.issuer}/userinfo"
    without = await userinfo(asking, token, key.proof("GET", there, token))
    assert (without.status_code, without.json()["error"]) == (401, "use_dpop_nonce")
    assert without.headers["www-authenticate"].startswith('DPoP error="use_dpop_nonce"')
    with_it = await userinfo(asking, token, key.proof("GET", there, token, nonce=without.headers["dpop-nonce"]))
    assert with_it.status_code == 200
    assert with_it.headers["dpop-nonce"]
    await visitor.aclose()


async def test_asking_for_a_nonce_is_no_mistake_of_the_client(asking: Provider) -> None:
    key = ProofKey(asking.clock)
    for _ in range(2):
        await ask(asking, BOUND, key.proof("POST", token_url(asking)), grant_type="client_credentials")
    await ask(asking, BOUND, None, grant_type="client_credentials")
    asking.clock.advance(60)
    events = (await asking.control("audit.export"))["events"]
    told = [event["detail"]["error"] for event in events if event["event"] == "client.refused"]
    assert told == ["invalid_dpop_proof"]
