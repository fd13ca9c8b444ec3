"""RO-01 to RO-05, SF-02, SF-04 and SF-10: request objects that lie, and addresses nobody registered."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from attack_support import Browser, Canary, World, answer_of, assert_page, assert_refused, assert_sent
from attack_world import CALLBACK, ES_KEY, ISSUER, RS_KEY, SECRETS, asking, credentials, forge, public_jwk, redeeming
from test_sf_outgoing_requests import answering, endless, hundred_megabytes, lying_length, redirects

from idp.jose import PublicKey

pytestmark = pytest.mark.anyio

SIGNER_SECRET = "signer-secret-0123456789abcdef0123456"
KEYS = json.dumps({"keys": [public_jwk(ES_KEY, "es", "ES256"), public_jwk(RS_KEY, "rs", "RS256")]})


def signing(name: str, **more: Any) -> str:
    """A client that signs its requests, in the words of the apply file."""
    keys = ", ".join(
        "{" + ", ".join(f"{member} = {json.dumps(value)}" for member, value in key.items()) + "}"
        for key in json.loads(KEYS)["keys"]
    )
    lines = [f"{member} = {json.dumps(value)}" for member, value in more.items()]
    return "\n".join(
        [
            "[[clients]]",
            f'client_id = "{name}"',
            f'client_secret = "{SIGNER_SECRET}"',
            f'redirect_uris = ["{CALLBACK}", "https://rp.test/other"]',
            'scope = "openid profile"',
            f"jwks = {{ keys = [{keys}] }}",
            *lines,
            "",
        ]
    )


@pytest.fixture(autouse=True, scope="module")
async def signers(world: World) -> None:
    await world.provider.apply(signing("signer") + signing("second"))


def claims(world: World, client: str = "signer", **changes: Any) -> dict[str, Any]:
    now = int(world.now)
    given: dict[str, Any] = {**asking(client), "iss": client, "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 60}
    return {name: value for name, value in {**given, **changes}.items() if value is not None}


def signed(world: World, client: str = "signer", /, key: Any = ES_KEY, kid: str = "es", **changes: Any) -> str:
    headers = {"kid": kid, "typ": "oauth-authz-req+jwt"}
    return jwt.encode(claims(world, client, **changes), key, algorithm="ES256", headers=headers)


async def test_ro_01_unsigned_and_wrongly_signed(world: World, browser: Browser) -> None:
    pem = PublicKey.from_jwk(public_jwk(RS_KEY, "rs", "RS256")).to_pem()

    def with_hmac(secret: bytes) -> Any:
        return lambda message: hmac.digest(secret, message, hashlib.sha256)

    inside = claims(world)
    bad = {
        "none": forge({"alg": "none"}, inside),
        "None": forge({"alg": "None", "typ": "oauth-authz-req+jwt"}, inside),
        "no algorithm": forge({"typ": "JWT"}, inside),
        "public key as a secret": forge({"alg": "HS256", "kid": "rs"}, inside, with_hmac(pem)),
        "client secret": forge({"alg": "HS256"}, inside, with_hmac(SIGNER_SECRET.encode())),
        "key inside": forge({"alg": "ES256", "jwk": public_jwk(ES_KEY, "es", "ES256")}, inside),
        "critical": forge({"alg": "ES256", "kid": "es", "crit": ["x"], "x": 1}, inside),
        "somebody else": signed(world, "second"),
        "garbage": "garbage",
        "long": "x" * 3000,
        "three parts": "a.b.c",
        "five parts": "a.b.c.d.e",
    }
    for name, text in bad.items():
        async with world.unchanged():
            assert_sent(await browser.ask("signer", request=text), "invalid_request_object")
            assert_page(await browser.ask("signer", request=text, redirect_uri=None))
            answer = await world.api.http.post("/par", data={"request": text}, auth=("signer", SIGNER_SECRET))
            assert_refused(answer, 400, "invalid_request_object")
        assert text, name


async def test_ro_01_a_client_without_keys_signs_nothing(world: World, browser: Browser) -> None:
    async with world.unchanged():
        assert_sent(await browser.ask("web", request=signed(world, "web")), "invalid_request_object")


async def test_ro_02_values_outside_the_object_never_win(world: World, browser: Browser) -> None:
    outside = {"redirect_uri": "https://rp.test/other", "scope": "openid profile", "state": "outer", "nonce": "outer"}
    text = signed(world, scope="openid")
    response = await browser.follow(await browser.ask("signer", request=text, **outside))
    response = await browser.follow(await browser.log_in(response, "alice"))
    response = await browser.submit(response, "/consent", decision="allow")
    assert response.headers["location"].startswith(f"{CALLBACK}?")
    members = answer_of(response)
    assert members["state"] == "state-1"
    form = redeeming(members["code"])
    redeemed = await world.api.http.post("/token", data=form, auth=("signer", SIGNER_SECRET))
    assert redeemed.json()["scope"] == "openid"
    for changes in ({"client_id": "second"}, {"client_id": "web"}):
        async with world.unchanged():
            assert_sent(await browser.ask("signer", request=signed(world, **changes)), "invalid_request_object")
            outer = {"client_id": changes["client_id"], "redirect_uri": CALLBACK, "request": signed(world)}
            response = await browser.http.get("/authorize", params={**asking("signer"), **outer})
            assert_sent(response, "invalid_request_object")
    assert_page(await browser.ask("signer", request=signed(world, redirect_uri="https://evil.test/")))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": -31},
        {"exp": -86_400},
        {"nbf": 600},
        {"iat": 600},
        {"aud": "https://elsewhere.test"},
        {"aud": [f"{ISSUER}/"]},
        {"aud": None},
        {"iss": "second"},
    ],
    ids=str,
)
async def test_ro_04_stale_or_foreign(world: World, browser: Browser, changes: dict[str, Any]) -> None:
    now = int(world.now)
    placed = {name: now + value if isinstance(value, int) else value for name, value in changes.items()}
    async with world.unchanged():
        assert_sent(await browser.ask("signer", request=signed(world, **placed)), "invalid_request_object")


async def test_ro_04_a_jti_that_had_its_answer(world: World, browser: Browser) -> None:
    await browser.sign_on("web")
    text = signed(world, jti="once", prompt="consent")
    page = await browser.follow(await browser.ask("signer", request=text))
    again = await browser.follow(await browser.ask("signer", request=text))
    assert "code" in answer_of(await browser.submit(page, "/consent", decision="allow"))
    assert_sent(await browser.submit(again, "/consent", decision="allow"), "invalid_request_object")


async def test_ro_05_request_and_request_uri_together(world: World, browser: Browser) -> None:
    canary = await Canary.start()
    async with canary.server, world.unchanged():
        for uri in (canary.url, "urn:ietf:params:oauth:request_uri:x", "x"):
            assert_sent(await browser.ask("signer", request=signed(world), request_uri=uri), "invalid_request")
            assert_page(
                await browser.http.get("/authorize", params={"client_id": "signer", "request": "x", "request_uri": uri})
            )
        assert canary.visits == 0


async def test_sf_04_request_uri_that_is_not_registered(world: World, browser: Browser) -> None:
    canary = await Canary.start()
    registered = f"https://127.0.0.1:{canary.port}/r"
    await world.provider.apply(signing("fetching", request_uris=[registered]))
    async with canary.server, world.unchanged():
        for client in ("web", "signer", "fetching"):
            for url in (
                canary.url,
                f"https://127.0.0.1:{canary.port}/",
                f"{registered}?x=1",
                f"{registered}/../r",
                registered.upper(),
                f"{registered}@127.0.0.1:{canary.port}/",
                "file:///etc/passwd",
                "urn:x",
                "//127.0.0.1/",
            ):
                assert_sent(await browser.ask(client, request_uri=url), "invalid_request_uri")
        assert canary.visits == 0


async def test_sf_04_a_registered_address_inside_is_not_called(production: World) -> None:
    """Under ``serve`` the guard of the one door stands behind the registration."""
    canary = await Canary.start()
    inside = [
        f"https://127.0.0.1:{canary.port}/r",
        f"http://127.0.0.1:{canary.port}/r",
        f"https://[::1]:{canary.port}/",
    ]
    await production.provider.apply(signing("inside", request_uris=inside))
    browser = production.browser()
    async with canary.server:
        for url in inside:
            response = await browser.http.get("/authorize", params=asking("inside", request_uri=url))
            assert response.status_code == 303
            assert answer_of(response)["error"] == "invalid_request_uri"
        assert canary.visits == 0


async def test_sf_02_a_redirect_is_not_followed(world: World, browser: Browser) -> None:
    async with answering(redirects) as url:
        await world.provider.apply(signing("moving", request_uris=[url]))
        assert_sent(await browser.ask("moving", request_uri=url), "invalid_request_uri")


@pytest.mark.parametrize("peer", [endless, hundred_megabytes, lying_length])
async def test_sf_10_a_document_without_end(world: World, browser: Browser, peer: Any) -> None:
    async with answering(peer) as url:
        await world.provider.apply(signing("endless", request_uris=[url]))
        async with world.unchanged():
            assert_sent(await browser.ask("endless", request_uri=url), "invalid_request_uri")
    assert answer_of(await browser.ask("web", prompt="none"))["error"] == "login_required"


async def test_ro_01_the_catalogues_parties_are_as_they_were(world: World) -> None:
    """Nothing above gave a party of the catalogue keys it does not have."""
    assert credentials("web") == ("web", SECRETS["web"])
    client = await world.server.client("web")
    assert client.jwks is None
