"""The adapters say what the verifier says, in five frameworks: one table for all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from adapter_apps import IN_PROCESS, Call, Headers, Reply, drf_calls
from support.dpop import ProofKey
from verify_tokens import AUDIENCE, ES, ISSUER, NEXT, NOW, STRANGER, jwks, token

from idp.verify import Dpop, MemoryReplays, Refused, SyncVerifier

FRAMEWORKS = (*IN_PROCESS, "drf")
KEY = ProofKey(lambda: NOW)
BOUND = token(cnf={"jkt": KEY.jkt})
OUTSIDE: dict[str, Any] = {"base_url": AUDIENCE}


@pytest.fixture(scope="module")
def drf() -> Iterator[Callable[..., Call]]:
    with drf_calls() as calls:
        yield calls


@pytest.fixture(params=FRAMEWORKS)
def api(request: pytest.FixtureRequest) -> Callable[..., Call]:
    """``api(verifier options, adapter options)``; the same words everywhere, ``dpop_required`` too."""
    name: str = request.param
    calls = request.getfixturevalue("drf") if name == "drf" else IN_PROCESS[name]

    def made(verifier: dict[str, Any] | None = None, adapter: dict[str, Any] | None = None) -> Call:
        given = dict(verifier or {})
        if name != "drf":
            required = given.pop("dpop_required", False)
            given["dpop"] = Dpop(required=required, replays=MemoryReplays(lambda: NOW))
        call: Call = calls(given, adapter or {})
        return call

    return made


def bearer(text: str) -> Headers:
    return [("authorization", f"Bearer {text}")]


def proof(text: str = BOUND, path: str = "/read", method: str = "GET", base: str = AUDIENCE) -> Headers:
    return [("authorization", f"DPoP {text}"), ("dpop", KEY.proof(method, f"{base}{path}", text))]


def refusal(headers: Headers, *scopes: str, acr_values: Any = (), max_age: Any = None, **options: Any) -> Refused:
    verifier = SyncVerifier(ISSUER, AUDIENCE, **{"jwks": jwks(ES), "clock": lambda: NOW, **options})
    url, demand = f"{AUDIENCE}/read", {"acr_values": acr_values, "max_age": max_age}
    with pytest.raises(Refused) as refused:
        verifier.verify_request("GET", url, headers, scopes, **demand)
    return refused.value


def same(reply: Reply, refused: Refused) -> None:
    assert reply.status == refused.status, reply
    assert reply.headers["www-authenticate"] == refused.www_authenticate()
    assert reply.headers.get("cache-control", "no-store") == "no-store"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (bearer(token(exp=NOW - 45)), 401),
        (bearer(token(aud="https://other.example.com")), 401),
        (bearer(token(iss="https://other.example.com")), 401),
        (bearer(token(STRANGER)), 401),
        (bearer(token(NEXT)), 401),
        (bearer(BOUND), 401),
        (bearer("one two"), 400),
        (bearer(token(scope="other")), 403),
    ],
    ids=["expired", "audience", "issuer", "signature", "unknown key", "bound", "malformed", "scope"],
)
def test_a_refusal_is_the_verifiers(api: Callable[..., Call], headers: Headers, status: int) -> None:
    refused = refusal(headers, "read")
    reply = api(adapter=OUTSIDE)("GET", "/read", headers)
    same(reply, refused)
    assert reply.status == status
    told = reply.body.get("detail", reply.body)
    assert (told["message"], told["reason"]) == (str(refused), refused.reason)
    assert {told.get("received"), told.get("expected")} == {refused.received, refused.expected}


def test_without_a_token(api: Callable[..., Call]) -> None:
    for headers in ([], [("authorization", "Basic YWxpY2U6eA==")]):
        reply = api(adapter=OUTSIDE)("GET", "/read", headers)
        same(reply, refusal(headers))
        assert reply.status == 401
        assert "YWxp" not in str(reply)


def test_a_good_token(api: Callable[..., Call]) -> None:
    for adapter in ({}, OUTSIDE):
        call = api(adapter=adapter)
        assert call("GET", "/read", bearer(token()))[::2] == (200, {"sub": "alice"})
        assert call("GET", "/write", bearer(token(scope="admin x write")))[::2] == (200, {"sub": "alice"})


def test_every_scope_is_needed(api: Callable[..., Call]) -> None:
    reply = api(adapter=OUTSIDE)("GET", "/write", bearer(token(scope="write")))
    same(reply, refusal(bearer(token(scope="write")), "write", "admin"))
    assert 'error="insufficient_scope"' in reply.headers["www-authenticate"]
    assert 'scope="write admin"' in reply.headers["www-authenticate"]


@pytest.mark.parametrize("path", ["/fresh", "/twice-fresh"])
@pytest.mark.parametrize("claims", [{}, {"acr": "silver", "auth_time": NOW}, {"acr": "gold", "auth_time": NOW - 900}])
def test_step_up(api: Callable[..., Call], path: str, claims: dict[str, Any]) -> None:
    headers = bearer(token(**claims))
    reply = api(adapter=OUTSIDE)("GET", path, headers)
    same(reply, refusal(headers, acr_values=["gold"], max_age=300))
    assert 'acr_values="gold", max_age="300"' in reply.headers["www-authenticate"]
    good = bearer(token(acr="gold", auth_time=NOW - 200))
    assert api(adapter=OUTSIDE)("GET", path, good).status == 200


def test_a_bound_token_and_its_proof_once(api: Callable[..., Call]) -> None:
    """The servers are called http://inside:8080; the proof names what the caller wrote."""
    call, headers = api(adapter=OUTSIDE), proof()
    assert call("GET", "/read", headers)[::2] == (200, {"sub": "alice"})
    again = call("GET", "/read", headers)
    assert (again.status, again.headers["www-authenticate"][:33]) == (401, 'DPoP error="invalid_dpop_proof", ')
    assert "used before" in again.headers["www-authenticate"]


def test_two_guards_of_one_request_see_one_proof(api: Callable[..., Call]) -> None:
    assert api(adapter=OUTSIDE)("GET", "/twice", proof(path="/twice")).status == 200
    text = token(cnf={"jkt": KEY.jkt}, scope="other")
    refused = api(adapter=OUTSIDE)("GET", "/twice", proof(text, "/twice"))
    assert refused.status == 403
    assert refused.headers["www-authenticate"].startswith('DPoP error="insufficient_scope"')


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (proof(base="http://inside:8080"), "the proof's htu is"),
        (proof(path="/write"), "the proof's htu is"),
        (proof(method="POST"), "the proof's htm is"),
    ],
    ids=["as the proxy calls", "another path", "another method"],
)
def test_a_proof_of_another_request(api: Callable[..., Call], headers: Headers, said: str) -> None:
    reply = api(adapter=OUTSIDE)("GET", "/read", headers)
    assert (reply.status, said in reply.headers["www-authenticate"]) == (401, True), reply


def test_the_host_header_says_nothing(api: Callable[..., Call]) -> None:
    """Who lured a client into signing a proof for another host cannot use it here by naming that host."""
    headers = [*proof(base="http://testserver"), ("host", "testserver"), ("x-forwarded-host", "testserver")]
    assert api(adapter=OUTSIDE)("GET", "/read", headers).status == 401


def test_without_an_address_of_its_own_only_bearer_tokens_are_taken(api: Callable[..., Call]) -> None:
    for base in (AUDIENCE, "http://inside:8080", "http://testserver", ""):
        reply = api()("GET", "/read", proof(base=base))
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer"), reply
    assert api()("GET", "/read", bearer(BOUND)).status == 401


def test_the_verifiers_resource_is_its_address_and_refusals_point_at_it(api: Callable[..., Call]) -> None:
    call = api({"resource": f"{AUDIENCE}/v1"})
    assert call("GET", "/read", proof()).status == 200
    pointer = f'resource_metadata="{AUDIENCE}/.well-known/oauth-protected-resource/v1"'
    for reply in (call("GET", "/read", []), call("GET", "/write", bearer(token(scope="")))):
        assert pointer in reply.headers["www-authenticate"]


def test_bound_tokens_alone(api: Callable[..., Call]) -> None:
    call = api({"dpop_required": True}, {**OUTSIDE, "realm": "notes"})
    assert call("GET", "/read", proof()).status == 200
    for headers in (bearer(token()), []):
        reply = call("GET", "/read", headers)
        assert (reply.status, reply.headers["www-authenticate"][:18]) == (401, 'DPoP realm="notes"')


def test_keys_that_are_away_are_no_fault_of_the_token(api: Callable[..., Call]) -> None:
    away = {"jwks": None, "jwks_uri": "http://127.0.0.1:9/jwks.json"}
    reply = api(away)("GET", "/read", bearer(token()))
    assert (reply.status, "www-authenticate" in reply.headers) == (503, False)
    assert reply.body.get("detail", reply.body)["reason"] == "keys_unavailable"


def test_head_is_a_request_as_others(api: Callable[..., Call]) -> None:
    call = api(adapter=OUTSIDE)
    refused = call("HEAD", "/read", bearer(token(exp=NOW - 60)))
    assert (refused.status, "expired" in refused.headers["www-authenticate"]) == (401, True)
    assert call("HEAD", "/read", bearer(token())).status == 200


def test_a_preflight_is_not_refused(api: Callable[..., Call], request: pytest.FixtureRequest) -> None:
    """Starlette and FastAPI have routes of the methods that were written; there CORSMiddleware answers before them."""
    headers = [("origin", "http://localhost:5173"), ("access-control-request-method", "GET")]
    reply = api(adapter=OUTSIDE)("OPTIONS", "/read", headers)
    assert reply.status not in (401, 403)
    assert "www-authenticate" not in reply.headers


def test_two_authorization_headers(api: Callable[..., Call]) -> None:
    assert api()("GET", "/read", bearer(token()) + bearer(token(exp=1))).status == 400


def test_no_token_is_logged(api: Callable[..., Call], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for text in (token(), token(exp=NOW - 60), BOUND):
        for headers in (bearer(text), proof(text)):
            reply = api(adapter=OUTSIDE)("GET", "/read", headers)
            said = caplog.text + reply.headers.get("x-logged", "") + str(reply)
            assert not [part for part in text.split(".")[1:] if part in said]


@pytest.mark.parametrize("address", ["api.example.com", "/api", "ftp://api.example.com", f"{AUDIENCE}?x=1"])
@pytest.mark.parametrize("name", IN_PROCESS)
def test_a_base_url_that_is_none_is_told_at_once(name: str, address: str) -> None:
    with pytest.raises(ValueError, match="base_url is"):
        IN_PROCESS[name]({}, {"base_url": address})
