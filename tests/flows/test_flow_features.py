"""A specification is one value: switched off, its routes and its metadata are gone without a trace."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support import WEB, App, Visitor, discovery, register, sign_in

from idp.features import FEATURES, Feature
from idp.testing import MovingClock, Provider

pytestmark = pytest.mark.anyio

# What nobody may read in discovery any more, word for word, once the feature is off.
TRACES: dict[str, tuple[str, ...]] = {
    "authorization": (
        '"authorization_endpoint"',
        "authorization_response",
        '"code"',
        '"query"',
        '"fragment"',
        "code_challenge",
        "prompt",
        "id_token",
        "ui_locales",
    ),
    "form post": ('"form_post"',),
    "JARM": (".jwt", '"jwt"', "authorization_signing_alg"),
    "implicit and hybrid": ("id_token token", "code id_token", '"implicit"'),
    "authorization code": ('"authorization_code"',),
    "refresh token": ("refresh_token", "offline_access"),
    "client credentials": ("client_credentials",),
    "token exchange": ("token-exchange",),
    "jwt bearer": ("jwt-bearer",),
    "client secret": ("client_secret_basic", "client_secret_post"),
    "public clients": (),
    "private_key_jwt": ("private_key_jwt",),
    "client_secret_jwt": ("client_secret_jwt", "HS256"),
    "userinfo": ("userinfo",),
    "signed userinfo": ("userinfo_signing_alg",),
    "introspection": ("introspection",),
    "jwt introspection": ("introspection_signing_alg",),
    "revocation": ("revocation",),
    "claims parameter": ("claims_parameter",),
    "step-up": ("acr_values",),
    "pairwise subjects": ("pairwise",),
    "DPoP": ("dpop",),
    "FAPI 2.0 profile": (),
    "rp-initiated logout": ("end_session",),
    "back-channel logout": ("backchannel",),
    "client id metadata documents": ("client_id_metadata_document_supported",),
    "protected resource metadata": ("protected_resources",),
    "front-channel logout": ("frontchannel",),
    "account page": (),
    "device flow": ("device",),
    "password exchange": ("api/token",),
    "dynamic registration": ("registration_endpoint",),
    "registration management": (),
    "pushed authorization requests": ("pushed_authorization_request",),
    "request objects": ("request_object", "require_request_uri"),
    "sign-up": ('"create"',),
    "sample resource": ("hello",),
    "token page": ("dev/token",),
}
# Left out these would not mean no, so discovery says no in so many words.
SAID_NO = ("request_parameter_supported", "request_uri_parameter_supported")
SERVICE = App("service", secret="service-secret-for-development-only")
BOUND = App("bound", "https://bound.test/cb", "secret-of-bound-0123456789", members={"refresh": "session"})
names = [feature.name for feature in FEATURES]
GRANTS = {feature.name for feature in FEATURES if feature.grants}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One database for all of them: tables stay when a feature goes."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def clock() -> MovingClock:
    return MovingClock()


@asynccontextmanager
async def offering(folder: Path, clock: MovingClock, *off: str) -> AsyncIterator[Provider]:
    kept = [feature for feature in FEATURES if feature.name not in off]
    options = {"registration__mode": "open", "client_documents__mode": "any", "sign_up__open": True}
    async with Provider(data_dir=folder, clock=clock, features=kept, **options) as provider:
        if not off:
            await register(provider, WEB, BOUND)
        yield provider


def paths(features: list[Feature]) -> set[tuple[str, str]]:
    return {(e.path, method) for feature in features for e in feature.endpoints for method in e.methods}


@pytest.fixture(scope="module")
async def whole(folder: Path, clock: MovingClock) -> dict[str, Any]:
    """Discovery with everything on."""
    async with offering(folder, clock) as provider:
        return await discovery(provider.http)


def test_every_feature_is_looked_at() -> None:
    assert sorted(TRACES) == sorted(names)


async def test_with_everything_on_every_trace_can_be_read(whole: dict[str, Any]) -> None:
    """So that the test below can fail."""
    text = json.dumps(whole)
    # The last is off in the settings.
    unannounced = {"password exchange", "sample resource", "token page", "implicit and hybrid"}
    for name, words in TRACES.items():
        assert all(word in text for word in words) is (name not in unannounced), name


@pytest.mark.parametrize("name", names)
async def test_off_it_leaves_no_trace(folder: Path, clock: MovingClock, whole: dict[str, Any], name: str) -> None:
    off = next(feature for feature in FEATURES if feature.name == name)
    others = [feature for feature in FEATURES if feature is not off]
    async with offering(folder, clock, name) as provider:
        document = await discovery(provider.http)
        for word in TRACES[name]:
            assert word not in json.dumps(document)
        for path, method in paths([off]) - paths(others):
            answer = await provider.http.request(method, path)
            assert answer.status_code == (405 if path in {known for known, _ in paths(others)} else 404), path
        # And nothing of the others went along.
        for member, value in document.items():
            if member in SAID_NO:
                assert value is (member not in off.metadata(provider.server.settings))
                continue
            left = value if isinstance(value, list) else [value]
            before = whole[member] if isinstance(value, list) else [whole[member]]
            assert [item for item in before if item in left] == left
        for path, method in paths(others):
            assert (await provider.http.request(method, path)).status_code not in (404, 405), path
        for member in whole.keys() - document.keys():
            about = member.startswith((f"{name}_endpoint_", f"{name}_signing_"))
            assert member in off.metadata(provider.server.settings) or about, member


async def test_every_method_of_client_authentication_can_go(folder: Path, clock: MovingClock) -> None:
    async with offering(folder, clock, "client secret") as provider:
        document = await discovery(provider.http)
        assert document["token_endpoint_auth_methods_supported"] == [
            "none",
            "private_key_jwt",
            "client_secret_jwt",
        ]
        answer = await SERVICE.token(provider.http, "client_credentials")
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    async with offering(folder, clock, "public clients") as provider:
        document = await discovery(provider.http)
        assert "none" not in document["token_endpoint_auth_methods_supported"]
        answer = await provider.http.post("/token", data={"client_id": "sample", "grant_type": "refresh_token"})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("name", "grant_type"),
    [
        ("authorization code", "authorization_code"),
        ("refresh token", "refresh_token"),
        ("client credentials", "client_credentials"),
    ],
)
async def test_a_grant_that_is_off_is_unsupported_and_the_others_work(
    folder: Path, clock: MovingClock, name: str, grant_type: str
) -> None:
    async with offering(folder, clock, name) as provider:
        answer = await SERVICE.token(provider.http, grant_type)
        assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
        if name != "client credentials":
            assert (await SERVICE.token(provider.http, "client_credentials")).status_code == 200


async def test_without_the_refresh_grant_nobody_gets_a_refresh_token(
    folder: Path, clock: MovingClock, whole: dict[str, Any]
) -> None:
    async with offering(folder, clock, "refresh token") as provider:
        for app in (WEB, BOUND):
            tokens = await sign_in(provider, app, scope="openid offline_access")
            assert "refresh_token" not in tokens
            assert tokens["scope"] == "openid"


@pytest.mark.parametrize("name", sorted(GRANTS))
async def test_any_grant_alone_has_the_token_endpoint(folder: Path, clock: MovingClock, name: str) -> None:
    async with offering(folder, clock, *(GRANTS - {name})) as provider:
        assert (await discovery(provider.http))["token_endpoint"] == f"{provider.issuer}/token"
        assert (await provider.http.post("/token", data={"grant_type": "x"})).status_code == 401


async def test_without_any_grant_there_is_no_token_endpoint(folder: Path, clock: MovingClock) -> None:
    async with offering(folder, clock, *GRANTS) as provider:
        document = await discovery(provider.http)
        assert not [member for member in document if member.startswith("token_endpoint")]
        assert (await provider.http.post("/token", data={})).status_code == 404


async def test_without_back_channel_logout_a_sign_out_is_still_one(
    folder: Path, clock: MovingClock, whole: dict[str, Any]
) -> None:
    async with offering(folder, clock, "back-channel logout") as provider:
        visitor = Visitor(provider)
        tokens = (await WEB.redeem(provider.http, (await visitor.sign_on(WEB.request())).code)).json()
        stop = await visitor.open("/logout", {"id_token_hint": tokens["id_token"]})
        assert getattr(stop, "id", None) == "logged-out"
