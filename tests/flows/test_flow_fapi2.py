"""The FAPI 2.0 Security Profile over HTTP: one word of a client, or of the whole server."""

from __future__ import annotations

import uuid
from typing import Any

import httpx2
import pytest
from assertions import ASSERTION_TYPE
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey
from support import SPA, VERIFIER, Answer, App, Visitor, claims_of, discovery, header_of, register
from support.dpop import ProofKey

from idp.settings import SettingsError
from idp.testing import MovingClock, Provider

pytestmark = pytest.mark.anyio

KEYS: dict[str, Key] = {
    "ES256": ECKey.generate_key("P-256", parameters={"kid": "ec", "alg": "ES256"}),
    "PS256": RSAKey.generate_key(2048, parameters={"kid": "ps", "alg": "PS256"}),
    "RS256": RSAKey.generate_key(2048, parameters={"kid": "rs", "alg": "RS256"}),
}
GRANTS = ("authorization_code", "refresh_token", "client_credentials")
MEMBERS = {
    "jwks": {"keys": [key.as_dict(private=False) for key in KEYS.values()]},
    "id_token_signed_response_alg": "ES256",
}
SCOPE = "openid email offline_access"
BANK = App(
    "bank", "https://bank.test/cb", None, "private_key_jwt", SCOPE, GRANTS, {**MEMBERS, "profile": "fapi2"}
)
# The same without the word; under a server's profile it keeps it all the same.
PLAIN = App("plain", "https://plain.test/cb", None, "private_key_jwt", SCOPE, GRANTS, MEMBERS)


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, BANK)


def assertion(provider: Provider, app: App = BANK, alg: str = "ES256", **changes: Any) -> dict[str, str]:
    now = int(provider.clock())
    claims = {
        "iss": app.client_id,
        "sub": app.client_id,
        "aud": provider.issuer,
        "iat": now,
        "exp": now + 60,
        "jti": uuid.uuid4().hex,
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    text = jwt.encode({"alg": alg, "kid": KEYS[alg].kid}, claims, KEYS[alg], algorithms=[alg])
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": text}


async def ask(
    provider: Provider, form: dict[str, str], proof: ProofKey | None, path: str = "/token", app: App = BANK, **alg: Any
) -> httpx2.Response:
    headers = {} if proof is None else {"DPoP": proof.proof("POST", f"{provider.issuer}{path}")}
    return await provider.http.post(path, data={**form, **assertion(provider, app, **alg)}, headers=headers)


async def service(provider: Provider, app: App = BANK, **changes: Any) -> httpx2.Response:
    return await ask(
        provider, {"grant_type": "client_credentials"}, ProofKey(provider.clock), "/token", app, **changes
    )


async def push(provider: Provider, app: App = BANK, proof: ProofKey | None = None, **changes: Any) -> httpx2.Response:
    return await ask(provider, app.request(scope=SCOPE, prompt="consent", **changes), proof, "/par", app)


async def code_of(provider: Provider, visitor: Visitor, app: App = BANK, proof: ProofKey | None = None) -> str:
    pushed = await push(provider, app, proof)
    assert pushed.status_code == 201, pushed.text
    answer = await visitor.sign_on({"client_id": app.client_id, "request_uri": pushed.json()["request_uri"]})
    assert isinstance(answer, Answer)
    assert answer.members["iss"] == provider.issuer
    assert answer.status == 303
    return answer.code


async def redeem(provider: Provider, code: str, key: ProofKey | None, app: App = BANK) -> httpx2.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect_uri}
    return await ask(provider, {**form, "code_verifier": VERIFIER}, key, app=app)


async def test_it_is_announced(provider: Provider) -> None:
    """What such clients need is there beside what others use."""
    document = await discovery(provider.http)
    assert {"ES256", "PS256"} <= set(document["dpop_signing_alg_values_supported"])
    assert {"ES256", "PS256"} <= set(document["token_endpoint_auth_signing_alg_values_supported"])
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["code_challenge_methods_supported"] == ["S256"]


async def test_the_happy_flow(provider: Provider, visitor: Visitor) -> None:
    key = ProofKey(provider.clock, "PS256")
    answer = await redeem(provider, await code_of(provider, visitor), key)
    tokens = answer.json()
    assert tokens["token_type"] == "DPoP"
    assert header_of(tokens["id_token"])["alg"] == header_of(tokens["access_token"])["alg"] == "ES256"
    assert (await claims_of(provider.http, tokens["access_token"]))["cnf"] == {"jkt": key.jkt}
    proof = key.proof("GET", f"{provider.issuer}/userinfo", tokens["access_token"])
    headers = {"Authorization": f"DPoP {tokens['access_token']}", "DPoP": proof}
    assert (await provider.http.get("/userinfo", headers=headers)).json()["email"] == "alice@example.com"
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    for _ in range(2):  # no rotation: the same again, also much later than any grace
        provider.clock.advance(60)
        renewed = (await ask(provider, form, key)).json()
        assert renewed["refresh_token"] == tokens["refresh_token"]
        assert renewed["token_type"] == "DPoP"
    assert (await ask(provider, form, None)).json()["error"] == "invalid_dpop_proof"


async def test_a_code_bound_where_it_was_pushed(provider: Provider, visitor: Visitor) -> None:
    """RFC 9449 10.1: a proof at the pushed request binds the code."""
    key, other = ProofKey(provider.clock), ProofKey(provider.clock)
    code = await code_of(provider, visitor, proof=key)
    assert (await redeem(provider, code, other)).json()["error"] == "invalid_grant"
    assert (await redeem(provider, code, key)).status_code == 200


async def test_two_keys_in_one_pushed_request(provider: Provider) -> None:
    key, other = ProofKey(provider.clock), ProofKey(provider.clock)
    answer = await push(provider, proof=key, dpop_jkt=other.jkt)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert (await push(provider, proof=key, dpop_jkt=key.jkt)).status_code == 201


async def test_requests_are_pushed(visitor: Visitor) -> None:
    answer = await visitor.sign_on(BANK.request())
    assert answer.error == "invalid_request"
    assert "code" not in answer.members


@pytest.mark.parametrize(
    "changes",
    [{"code_challenge": None, "code_challenge_method": None}, {"code_challenge_method": "plain"}],
    ids=["none", "plain"],
)
async def test_pkce_is_required_beside_a_nonce(provider: Provider, changes: dict[str, str | None]) -> None:
    answer = await push(provider, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_codes_live_a_minute(visitor: Visitor) -> None:
    async with Provider(lifetimes__code=600) as provider:
        await register(provider, BANK)
        browser, key = Visitor(provider), ProofKey(provider.clock)
        code = await code_of(provider, browser)
        provider.clock.advance(61)
        assert (await redeem(provider, code, key)).json()["error"] == "invalid_grant"
        await browser.aclose()


async def test_a_service_gets_a_bound_token(provider: Provider) -> None:
    assert (await service(provider)).json()["token_type"] == "DPoP"
    without = await ask(provider, {"grant_type": "client_credentials"}, None)
    assert (without.status_code, without.json()["error"]) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"alg": "PS256"}, 200),
        ({"alg": "RS256"}, 401),
        ({"aud": ["http://localhost:8000"]}, 401),
        ({"aud": "http://localhost:8000/token"}, 401),
        ({"aud": "http://localhost:8000/par"}, 401),
        ({"aud": "https://other.test"}, 401),
        ({"sub": None}, 401),
        ({"exp": -300}, 401),
        ({"nbf": 8}, 200),
        ({"nbf": 61}, 401),
        ({"iat": 8}, 200),
        ({"iat": 61}, 401),
    ],
    ids=str,
)
async def test_assertions(provider: Provider, changes: dict[str, Any], status: int) -> None:
    """CONFORMANCE 4.3. Numbers are seconds from now."""
    now = int(provider.clock())
    moved = {name: now + value if isinstance(value, int) else value for name, value in changes.items()}
    answer = await service(provider, **moved)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id_token_signed_response_alg": "RS256"}, "5.4.1"),
        ({"token_endpoint_auth_signing_alg": "RS256"}, "5.4.1"),
        ({"redirect_uris": ["http://localhost/cb"]}, "5.3.2.2"),
    ],
)
async def test_registration_tells_what_is_missing(provider: Provider, changes: dict[str, Any], words: str) -> None:
    app = App("other", "https://other.test/cb", None, "private_key_jwt", SCOPE, GRANTS, {**BANK.members, **changes})
    with pytest.raises(Exception, match=words):
        await register(provider, app)


async def test_it_is_exported_as_one_word(provider: Provider) -> None:
    text = ""
    piece: dict[str, Any] = {"section": "", "after": ""}
    while piece["section"] is not None:
        piece = await provider.control("export", section=piece["section"], after=piece["after"])
        text += piece["text"]
    entry = text.partition('client_id = "bank"')[2].partition("[[clients]]")[0]
    assert 'profile = "fapi2"' in entry
    assert "refresh_rotation" not in entry


# -- the word of the whole server


async def test_every_client_keeps_the_servers_profile() -> None:
    async with Provider(profile="fapi2") as provider:
        await register(provider, PLAIN)
        visitor, key = Visitor(provider), ProofKey(provider.clock)
        answer = await redeem(provider, await code_of(provider, visitor, PLAIN), key, PLAIN)
        assert answer.json()["token_type"] == "DPoP"
        assert (await visitor.sign_on(PLAIN.request())).error == "invalid_request"
        refused = await service(provider, PLAIN, aud=[provider.issuer])
        assert refused.status_code == 401
        weak = ProofKey(provider.clock, "RS256")
        assert (await ask(provider, {"grant_type": "client_credentials"}, weak, app=PLAIN)).status_code == 400
        await visitor.aclose()


async def test_a_client_that_cannot_keep_it_is_refused() -> None:
    """``sample`` of idp dev is public: registered, and of no use under the profile."""
    async with Provider(profile="fapi2") as provider:
        form = {"grant_type": "authorization_code", "client_id": "sample", "code": "x"}
        answer = await provider.http.post("/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
        with pytest.raises(Exception, match="clients prove a key"):
            await register(provider, SPA)
        with pytest.raises(Exception, match="clients prove a key"):
            await provider.control("client.add", client={"client_id": "c", "redirect_uris": ["https://c.test/cb"]})


async def test_a_stranger_registers_within_the_servers_profile() -> None:
    async with Provider(profile="fapi2", registration__mode="open") as provider:
        members = {"redirect_uris": ["https://new.test/cb"], "token_endpoint_auth_method": "private_key_jwt"}
        strong = {name: MEMBERS[name] for name in ("jwks", "id_token_signed_response_alg")}
        weak = await provider.http.post("/register", json={**members, "jwks": MEMBERS["jwks"]})
        assert (weak.status_code, weak.json()["error"]) == (400, "invalid_client_metadata")
        assert "5.4.1" in weak.json()["error_description"]
        public = await provider.http.post("/register", json={**members, "token_endpoint_auth_method": "none"})
        assert public.status_code == 400
        assert (await provider.http.post("/register", json={**members, **strong})).status_code == 201


async def test_the_servers_profile_is_announced() -> None:
    async with Provider(profile="fapi2") as provider:
        document = await discovery(provider.http)
        assert document["dpop_signing_alg_values_supported"] == ["ES256", "PS256", "EdDSA", "Ed25519"]
        assert document["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
        assert document["token_endpoint_auth_signing_alg_values_supported"] == ["PS256", "ES256", "EdDSA"]
        assert document["require_pushed_authorization_requests"] is True
        assert document["response_types_supported"] == ["code"]
        assert "RS256" in document["id_token_signing_alg_values_supported"]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"lifetimes__code": 61}, "lifetimes.code"),
        ({"keys__algorithms": ("RS256",)}, "keys.algorithms"),
        ({"lifetimes__pushed_request": 600}, "lifetimes.pushed_request"),
        ({"require_pushed_authorization_requests": False}, "require_pushed_authorization_requests"),
        ({"password_exchange_client": "sample"}, "password_exchange_client"),
    ],
)
async def test_settings_that_contradict_it_stop_the_start(options: dict[str, Any], name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        async with Provider(clock=MovingClock(), profile="fapi2", **options):
            pass
    assert [name.rpartition(".")[2] in str(problem) for problem in refused.value.problems] == [True]
    assert "fapi2" in refused.value.problems[0].rule
