"""Mistakes every integrator makes once, each as something that happens and what must be said about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx2
from attack_support import Browser, World
from attack_world import (
    API,
    ASSERTION_TYPE,
    CHALLENGE,
    ISSUER,
    RS_KEY,
    SECRETS,
    assertion,
    with_assertion,
)

MACHINE = {"grant_type": "client_credentials"}
Try = Callable[[World, Browser], Awaitable[httpx2.Response]]


class Mistake(NamedTuple):
    """``error`` goes to the client; ``received`` and ``expected`` must stand in what the operator reads."""

    error: str
    received: str
    expected: str
    happens: Try


def asked(error: str, received: str, expected: str, client: str = "web", **changes: Any) -> Mistake:
    """At the authorization endpoint."""
    return Mistake(error, received, expected, lambda world, browser: browser.ask(client, **changes))


def posted(
    error: str,
    received: str,
    expected: str,
    form: dict[str, Any] | str,
    client: str | None = None,
    path: str = "/token",
) -> Mistake:
    """A program's form, complete as it stands."""
    return Mistake(error, received, expected, lambda world, browser: world.post(path, form, client))


def redeemed(error: str, received: str, expected: str, client: str = "web", **changes: str | None) -> Mistake:
    """A good code, and something wrong beside it."""

    async def happens(world: World, browser: Browser) -> httpx2.Response:
        return await world.redeem(await browser.code(), client, **changes)

    return Mistake(error, received, expected, happens)


def asserted(error: str, received: str, expected: str, **changes: Any) -> Mistake:
    """private_key_jwt; a callable change is given the time."""

    async def happens(world: World, browser: Browser) -> httpx2.Response:
        now = int(world.now)
        given = {name: value(now) if callable(value) else value for name, value in changes.items()}
        return await world.post("/token", with_assertion(assertion("pkj", now, **given)))

    return Mistake(error, received, expected, happens)


async def _late_code(world: World, browser: Browser) -> httpx2.Response:
    code = await browser.code()
    world.provider.clock.advance(75)
    return await world.redeem(code)


async def _code_twice(world: World, browser: Browser) -> httpx2.Response:
    code = await browser.code()
    await world.redeem(code)
    return await world.redeem(code)


async def _stale_refresh(world: World, browser: Browser) -> httpx2.Response:
    token = (await browser.tokens())["refresh_token"]
    await world.refresh(token)
    return await world.refresh(token)


async def _idle_refresh(world: World, browser: Browser) -> httpx2.Response:
    token = (await browser.tokens())["refresh_token"]
    world.provider.clock.advance(86_400 + 5)
    return await world.refresh(token)


async def _access_for_refresh(world: World, browser: Browser) -> httpx2.Response:
    return await world.refresh((await browser.tokens())["access_token"])


async def _wider_refresh(world: World, browser: Browser) -> httpx2.Response:
    return await world.refresh((await browser.tokens())["refresh_token"], scope="openid email")


async def _id_token_as_bearer(world: World, browser: Browser) -> httpx2.Response:
    return await world.userinfo((await browser.tokens())["id_token"])


async def _token_for_the_api(world: World, browser: Browser) -> httpx2.Response:
    return await world.userinfo((await browser.tokens(scope="openid orders", resource=API))["access_token"])


async def _expired_bearer(world: World, browser: Browser) -> httpx2.Response:
    token = (await browser.tokens())["access_token"]
    world.provider.clock.advance(312)
    return await world.userinfo(token)


async def _machine_at_userinfo(world: World, browser: Browser) -> httpx2.Response:
    return await world.userinfo((await world.post("/token", MACHINE, "svc")).json()["access_token"])


async def _token_in_the_url(world: World, browser: Browser) -> httpx2.Response:
    token = (await browser.tokens())["access_token"]
    return await world.api.http.get("/userinfo", params={"access_token": token})


async def _repeated(world: World, browser: Browser) -> httpx2.Response:
    return await browser.http.get("/authorize", params=[("client_id", "web"), ("state", "a"), ("state", "b")])


async def _json_body(world: World, browser: Browser) -> httpx2.Response:
    return await world.api.http.post("/token", json={**MACHINE, "client_secret": SECRETS["svc"]})


async def _unencoded_basic(world: World, browser: Browser) -> httpx2.Response:
    return await world.post("/token", MACHINE, Authorization=f"Basic svc:{SECRETS['svc']}")


async def _wrong_secret(world: World, browser: Browser) -> httpx2.Response:
    return await world.api.http.post("/token", data=MACHINE, auth=("svc", SECRETS["web"]))


async def _unknown_client(world: World, browser: Browser) -> httpx2.Response:
    return await world.api.http.post("/token", data=MACHINE, auth=("scv", SECRETS["svc"]))


async def _assertion_twice(world: World, browser: Browser) -> httpx2.Response:
    text = assertion("pkj", world.now)
    await world.post("/token", with_assertion(text))
    return await world.post("/token", with_assertion(text))


async def _other_logout_address(world: World, browser: Browser) -> httpx2.Response:
    parameters = {"client_id": "web", "post_logout_redirect_uri": "https://rp.test/bye/"}
    return await browser.http.get("/logout", params=parameters)


async def _hint_of_another_client(world: World, browser: Browser) -> httpx2.Response:
    hint = (await browser.tokens("web2"))["id_token"]
    return await browser.http.get("/logout", params={"client_id": "web", "id_token_hint": hint})


EXACT = "https://rp.test/cb"
MISTAKES: dict[str, Mistake] = {
    # The redirect URI is not the registered one, letter by letter.
    "a slash at the end": asked("invalid_request", f"{EXACT}/", EXACT, redirect_uri=f"{EXACT}/"),
    "another port": asked("invalid_request", "https://rp.test:8443/cb", EXACT, redirect_uri="https://rp.test:8443/cb"),
    "http for https": asked("invalid_request", "http://rp.test/cb", EXACT, redirect_uri="http://rp.test/cb"),
    "another case": asked("invalid_request", "https://rp.test/CB", EXACT, redirect_uri="https://rp.test/CB"),
    "a query added": asked("invalid_request", f"{EXACT}?next=/home", EXACT, redirect_uri=f"{EXACT}?next=/home"),
    "encoded twice": asked(
        "invalid_request", "https%3A%2F%2Frp.test%2Fcb", EXACT, redirect_uri="https%3A%2F%2Frp.test%2Fcb"
    ),
    "localhost for 127.0.0.1": asked(
        "invalid_request",
        "http://localhost:5000/cb",
        "http://127.0.0.1/cb",
        "native",
        redirect_uri="http://localhost:5000/cb",
    ),
    "www in front": asked("invalid_request", "https://www.rp.test/cb", EXACT, redirect_uri="https://www.rp.test/cb"),
    "no redirect_uri": asked("invalid_request", "no redirect_uri", EXACT, redirect_uri=None),
    # The client is not who it should be.
    "a client_id with a slip": asked("invalid_client", "wbe", "registered", client_id="wbe"),
    "no client_id": asked("invalid_request", "no client_id", "client_id", client_id=None),
    # The authorization request asks for what is not there.
    "a parameter twice": Mistake("invalid_request", "state repeated", "each parameter once", _repeated),
    "an implicit flow": asked("unsupported_response_type", "token", "code", response_type="token"),
    "no response_type": asked("invalid_request", "client_id", "response_type=...", response_type=None),
    "no PKCE": asked(
        "invalid_request",
        "no code_challenge",
        "code_challenge_method=S256",
        "spa",
        code_challenge=None,
        code_challenge_method=None,
    ),
    "plain PKCE": asked("invalid_request", "code_challenge_method plain", "S256", code_challenge_method="plain"),
    "a padded challenge": asked("invalid_request", "44 characters", "43", code_challenge=CHALLENGE + "="),
    "a scope of another client": asked("invalid_scope", "admin", "email offline_access openid", scope="openid admin"),
    "a scope nobody knows": asked("invalid_scope", "api.read", "openid", scope="api.read"),
    "a resource that is not there": asked(
        "invalid_target", "https://api.test/nothing", API, resource="https://api.test/nothing"
    ),
    "prompt none and login": asked("invalid_request", "none login", "none alone", prompt="none login"),
    "prompt none, nobody there": asked("login_required", "nobody is signed in", "signed in", prompt="none"),
    "max_age in words": asked("invalid_request", "1h", "0 to 9999999999", max_age="1h"),
    "an answer to a window": asked("invalid_request", "web_message", "query", response_mode="web_message"),
    "a form for an installed app": asked(
        "invalid_request",
        "com.example.app:/cb",
        "an http or https redirect_uri",
        "native",
        redirect_uri="com.example.app:/cb",
        response_mode="form_post",
    ),
    "a request object": asked("invalid_request_object", "base64url", "a registered key of client web", request="a.b.c"),
    # The token request is not a form, or says too little or too much.
    "a JSON body": Mistake("invalid_request", "application/json", "application/x-www-form-urlencoded", _json_body),
    "no grant_type": posted("invalid_request", "parameters scope", "grant_type=...", {"scope": "openid"}, "web"),
    "the password grant": posted(
        "unsupported_grant_type",
        "password",
        "authorization_code",
        {"grant_type": "password", "username": "alice"},
        "web",
    ),
    "a grant not registered": posted(
        "unauthorized_client",
        "client_credentials from client web2",
        "authorization_code or refresh_token",
        MACHINE,
        "web2",
    ),
    "no code": posted("invalid_request", "grant_type", "code=...", {"grant_type": "authorization_code"}, "web"),
    # Client authentication.
    "the secret in the body": posted(
        "invalid_client",
        "client_secret_post",
        "client_secret_basic",
        {**MACHINE, "client_id": "svc", "client_secret": SECRETS["svc"]},
    ),
    "a wrong secret": Mistake("invalid_client", "a wrong secret for client svc", "a live secret", _wrong_secret),
    "an unknown client": Mistake("invalid_client", "scv", "registered", _unknown_client),
    "Basic not encoded": Mistake("invalid_client", "scheme Basic", "base64", _unencoded_basic),
    "no authentication": posted("invalid_client", "client_id", "client authentication", MACHINE),
    "two ways at once": posted(
        "invalid_request",
        "two of Authorization header, client_secret",
        "one method",
        {**MACHINE, "client_secret": "x"},
        "svc",
    ),
    "two names": posted(
        "invalid_request",
        "client_id web, credentials of svc",
        "the same client",
        {**MACHINE, "client_id": "web"},
        "svc",
    ),
    "another assertion type": posted(
        "invalid_client",
        "jwt-bearer-2",
        ASSERTION_TYPE,
        {**MACHINE, "client_assertion": "a.b.c", "client_assertion_type": "jwt-bearer-2"},
    ),
    "assertion for the token endpoint": asserted(
        "invalid_client", f"{ISSUER}/token", f"aud = {ISSUER}", aud=f"{ISSUER}/token"
    ),
    "assertion from a fast clock": asserted("invalid_client", "iat 1800000", "1800000", iat=lambda now: now + 90),
    "assertion from a slow clock": asserted(
        "invalid_client", "exp 1799", "180000", exp=lambda now: now - 90, iat=lambda now: now - 150
    ),
    "assertion with another key": asserted("invalid_client", "RS256", "ES256", key=RS_KEY),
    "assertion twice": Mistake("invalid_client", "used before", "fresh", _assertion_twice),
    # The code and the tokens.
    "a late code": Mistake("invalid_grant", "15 s late", "lifetimes.code", _late_code),
    "a code twice": Mistake("invalid_grant", "first used", "once", _code_twice),
    "another redirect_uri": redeemed(
        "invalid_grant", "https://rp.test/other", EXACT, redirect_uri="https://rp.test/other"
    ),
    "another verifier": redeemed(
        "invalid_grant", "a code_verifier", "the verifier of that challenge", code_verifier="w" * 43
    ),
    "no verifier": redeemed("invalid_grant", "no code_verifier", "the verifier of that challenge", code_verifier=None),
    "a short verifier": redeemed("invalid_grant", "10 characters", "43 to 128", code_verifier="v" * 10),
    "a code of another client": redeemed("invalid_grant", "not given", "this client's own", "web2"),
    "a refresh token replaced": Mistake("invalid_grant", "1 generation(s) old", "the newest token", _stale_refresh),
    "a refresh token unused for a day": Mistake("invalid_grant", "5 s late", "lifetimes.refresh_idle", _idle_refresh),
    "an access token as refresh token": Mistake("invalid_grant", "another form", "refresh_token", _access_for_refresh),
    "more scope at refresh": Mistake("invalid_scope", "email", "openid profile offline_access", _wider_refresh),
    # UserInfo.
    "an ID token as access token": Mistake("invalid_token", "typ is JWT", "at+jwt", _id_token_as_bearer),
    "a token of another audience": Mistake("invalid_token", f"aud {API}", f"aud {ISSUER}", _token_for_the_api),
    "an expired token": Mistake("invalid_token", "expired 12 s ago", "a live access token", _expired_bearer),
    "a token of no person": Mistake("insufficient_scope", "orders", "openid", _machine_at_userinfo),
    "a token in the URL": Mistake(
        "invalid_token", "no Authorization header", "Authorization: Bearer", _token_in_the_url
    ),
    # Logout.
    "another address after logout": Mistake(
        "invalid_request", "https://rp.test/bye/", "https://rp.test/bye", _other_logout_address
    ),
    "a hint of another client": Mistake(
        "invalid_request", "another client", "the calling client", _hint_of_another_client
    ),
}
