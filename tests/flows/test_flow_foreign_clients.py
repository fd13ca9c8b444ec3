"""Clients other people wrote, unchanged: Authlib's (asynchronous and not) and openid-client on Node.js."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from joserfc.jwk import ECKey
from support import VERIFIER, Answer, App, Page, Visitor, claims_of, discovery, register
from support.keyhost import key_host

from idp.testing import Provider, RunningServer, running_server

pytestmark = pytest.mark.anyio

KEY = ECKey.generate_key("P-256", parameters={"kid": "rp-key", "use": "sig", "alg": "ES256"})
GRANTS = ("authorization_code", "refresh_token", "client_credentials")
SECRET = "secret-of-the-app-0123456789abcdef"
SIGNED_ANSWERS = ("userinfo_signed_response_alg", "introspection_signed_response_alg")


def app(method: str, **members: Any) -> App:
    name = method.replace("_", "-")
    secret = SECRET if method.startswith("client_secret") else None
    grants = GRANTS if method != "none" else GRANTS[:2]
    if method == "private_key_jwt":
        members |= {"jwks": {"keys": [KEY.as_dict(private=False)]}, "id_token_signed_response_alg": "ES256"}
    if method == "client_secret_jwt":  # it asks for the two answers as JWTs, as well
        members |= {"userinfo_signed_response_alg": "ES256", "introspection_signed_response_alg": "ES256"}
    host = f"https://{name}.test"
    members |= {"post_logout_redirect_uris": [f"{host}/bye"]}
    return App(name, f"{host}/cb", secret, method, "openid email offline_access", grants, members)


METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none")
APPS = {method: app(method) for method in METHODS}


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, *APPS.values())


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with running_server() as server:
        server.apply("\n\n".join(one.toml() for one in APPS.values()))
        yield server


@pytest.fixture
async def browser_there(running: RunningServer) -> AsyncIterator[Visitor]:
    visitor = Visitor(running)
    yield visitor
    await visitor.aclose()


async def through(visitor: Visitor, url: str) -> str:
    """A person's way from the app's address to wherever the browser ends."""
    stop = await visitor.open(url)
    while isinstance(stop, Page) and stop.id in ("login", "consent"):
        stop = await (visitor.log_in(stop) if stop.id == "login" else visitor.submit(stop, decision="allow"))
    assert isinstance(stop, Answer), stop
    return stop.url


async def test_what_they_read_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported"):
        assert document[name]


# -- Authlib


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
async def test_authlibs_asynchronous_client(provider: Provider, visitor: Visitor, method: str) -> None:
    party = APPS[method]
    document = await discovery(provider.http)
    async with AsyncOAuth2Client(
        party.client_id,
        party.secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        redirect_uri=party.redirect_uri,
        scope="openid email offline_access",
        code_challenge_method="S256",
        transport=httpx2.ASGITransport(app=provider.application),
    ) as client:
        url, state = client.create_authorization_url(
            document["authorization_endpoint"], code_verifier=VERIFIER, nonce="of-authlib"
        )
        back = await through(visitor, url)
        token = await client.fetch_token(
            document["token_endpoint"], authorization_response=back, code_verifier=VERIFIER, state=state
        )
        assert (await claims_of(provider.http, token["id_token"]))["nonce"] == "of-authlib"
        person = (await client.get(document["userinfo_endpoint"])).json()
        assert person["email"] == "alice@example.com"
        renewed = await client.refresh_token(document["token_endpoint"])
        assert renewed["refresh_token"] != token["refresh_token"]
        if method != "none":
            shown = await client.introspect_token(document["introspection_endpoint"], renewed["access_token"])
            assert shown.json()["active"] is True
        await client.revoke_token(document["revocation_endpoint"], renewed["refresh_token"], "refresh_token")
        with pytest.raises(OAuthError) as refused:
            await client.refresh_token(document["token_endpoint"], renewed["refresh_token"])
        assert refused.value.error == "invalid_grant"


async def test_authlibs_plain_client_over_a_socket(running: RunningServer, browser_there: Visitor) -> None:
    party = APPS["client_secret_basic"]
    there = httpx2.get(f"{running.issuer}/.well-known/openid-configuration").json()

    def with_authlib(back: str | None) -> Any:
        with OAuth2Client(
            party.client_id,
            party.secret,
            redirect_uri=party.redirect_uri,
            scope="openid email",
            code_challenge_method="S256",
        ) as client:
            if back is None:
                url, _ = client.create_authorization_url(
                    there["authorization_endpoint"], code_verifier=VERIFIER, state="s"
                )
                return url
            client.fetch_token(there["token_endpoint"], authorization_response=back, code_verifier=VERIFIER, state="s")
            return client.get(there["userinfo_endpoint"]).json()

    back = await through(browser_there, await asyncio.to_thread(with_authlib, None))
    assert (await asyncio.to_thread(with_authlib, back))["email"] == "alice@example.com"


async def test_authlibs_private_key_jwt(running: RunningServer) -> None:
    def fetch() -> Any:
        with OAuth2Client("private-key-jwt", KEY, token_endpoint_auth_method="private_key_jwt") as client:
            # What Authlib calls the token endpoint is only the audience: here the issuer (RFC 10070). Its assertions
            # live an hour unless told otherwise, we take ten minutes.
            claims = {"exp": int(running.clock()) + 60}
            proof = PrivateKeyJWT(running.issuer, claims, {"kid": "rp-key"}, alg="ES256")
            client.register_client_auth_method(proof)
            return client.fetch_token(f"{running.issuer}/token", grant_type="client_credentials")

    assert (await asyncio.to_thread(fetch))["token_type"] == "Bearer"


@pytest.mark.filterwarnings("ignore:authlib.jose module is deprecated")
async def test_authlibs_client_secret_jwt(running: RunningServer) -> None:
    def fetch() -> Any:
        with OAuth2Client("client-secret-jwt", SECRET, token_endpoint_auth_method="client_secret_jwt") as client:
            proof = ClientSecretJWT(running.issuer, {"exp": int(running.clock()) + 60})
            client.register_client_auth_method(proof)
            return client.fetch_token(f"{running.issuer}/token", grant_type="client_credentials")

    assert (await asyncio.to_thread(fetch))["token_type"] == "Bearer"


async def test_authlibs_private_key_jwt_with_keys_at_an_address(running: RunningServer) -> None:
    def fetch() -> Any:
        with OAuth2Client("far", KEY, token_endpoint_auth_method="private_key_jwt") as client:
            claims = {"exp": int(running.clock()) + 60}
            client.register_client_auth_method(PrivateKeyJWT(running.issuer, claims, {"kid": "rp-key"}, alg="ES256"))
            return client.fetch_token(f"{running.issuer}/token", grant_type="client_credentials")

    with key_host() as host:
        host.publish(KEY.as_dict(private=False))
        members = {"jwks_uri": host.url}
        far = App("far", "", None, "private_key_jwt", "", ("client_credentials",), members)
        running.apply(far.toml())
        assert (await asyncio.to_thread(fetch))["token_type"] == "Bearer"


# -- openid-client


@pytest.mark.node
@pytest.mark.parametrize("method", APPS)
async def test_openid_client(running: RunningServer, browser_there: Visitor, node: Path, method: str) -> None:
    party = APPS[method]
    settings = {
        "issuer": running.issuer,
        "clientId": party.client_id,
        "method": method,
        "secret": party.secret,
        "jwk": KEY.as_dict(private=True),
        "redirectUri": party.redirect_uri,
        "postLogoutRedirectUri": party.members["post_logout_redirect_uris"][0],
        "idTokenAlg": party.members.get("id_token_signed_response_alg", "RS256"),
        "signed": {name: value for name, value in party.members.items() if name in SIGNED_ANSWERS},
    }
    script = Path(__file__).parents[1] / "node" / "openid_client.mjs"
    process = await asyncio.create_subprocess_exec(
        node, script, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def say(line: str) -> None:
        assert process.stdin is not None
        process.stdin.write(line.encode() + b"\n")

    try:
        async with asyncio.timeout(30):
            say(json.dumps(settings))
            while "visit" in (message := json.loads(await process.stdout.readline() or b"{}")):
                say(await through(browser_there, message["visit"]))
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert "done" in message, message
    done = message["done"]
    assert done["sameMetadata"], "both well-known documents are the same"
    assert done["denied"] == "login_required"
    assert (done["claims"]["sub"], done["claims"]["aud"]) == ("alice", party.client_id)
    person = {name: value for name, value in done["person"].items() if name not in ("iss", "aud", "iat")}
    assert person == {"sub": "alice", "email": "alice@example.com", "email_verified": True}
    assert ("iss" in done["person"]) is (method == "client_secret_jwt"), "a signed answer has an issuer"
    assert done["rotated"] is True
    assert done["spent"] == "invalid_grant"
    assert done["left"] == f"{settings['postLogoutRedirectUri']}?state=bye"
    if method != "none":
        assert done["active"] == [True, False]
        assert done["service"] == "bearer"
