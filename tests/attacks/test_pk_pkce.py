"""PK: a code is useless to whoever did not make its challenge, and only S256 counts."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from attack_support import Browser, World, assert_refused, assert_sent
from attack_world import CHALLENGE, REDIRECTS, VERIFIER, redeeming

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("client", ["spa", "native"])
async def test_pk_01_public_client_without_challenge(world: World, browser: Browser, client: str) -> None:
    async with world.unchanged():
        response = await browser.ask(client, code_challenge=None, code_challenge_method=None)
        assert_sent(response, "invalid_request", to=REDIRECTS[client])
        response = await browser.ask(client, code_challenge=None)
        assert_sent(response, "invalid_request", to=REDIRECTS[client])


@pytest.mark.parametrize("client", ["web", "spa", "native"])
@pytest.mark.parametrize("verifier", [None, "", "w" * 43, CHALLENGE, VERIFIER[:-1] + "w"])
async def test_pk_02_downgrade_at_the_token_endpoint(
    world: World, browser: Browser, client: str, verifier: str | None
) -> None:
    code = await browser.code(client)
    async with world.unchanged():
        assert_refused(
            await world.redeem(code, client, code_verifier=verifier), 400, "invalid_grant", "invalid_request"
        )


async def test_pk_02_a_verifier_nobody_asked_for(world: World, browser: Browser) -> None:
    """The other direction: an attacker stripped the challenge from the request, the client sends its verifier."""
    code = await browser.code(code_challenge=None, code_challenge_method=None)
    async with world.unchanged():
        assert_refused(await world.redeem(code), 400, "invalid_grant")


@pytest.mark.parametrize("method", ["plain", None, ""])
async def test_pk_04_plain(world: World, browser: Browser, method: str | None) -> None:
    async with world.unchanged():
        assert_sent(await browser.ask(code_challenge_method=method), "invalid_request")
        assert_sent(await browser.ask("spa", code_challenge_method=method), "invalid_request", to=REDIRECTS["spa"])
    discovery = (await browser.http.get("/.well-known/openid-configuration")).json()
    assert discovery["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": CHALLENGE[:-1]},
        {"code_challenge": CHALLENGE + "A"},
        {"code_challenge": "A" * 129},
        {"code_challenge": "+" + CHALLENGE[1:]},
        {"code_challenge": "/" + CHALLENGE[1:]},
        {"code_challenge": CHALLENGE + "="},
        {"code_challenge": CHALLENGE + "\n"},
        {"code_challenge": "\u00e9" * 43},
        {"code_challenge": "\u0661" * 43},
        {"code_challenge_method": "s256"},
        {"code_challenge_method": "S512"},
        {"code_challenge_method": "S256 plain"},
        {"code_challenge_method": "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")},
    ],
    ids=str,
)
async def test_pk_05_malformed(world: World, browser: Browser, changes: dict[str, str]) -> None:
    async with world.unchanged():
        assert_sent(await browser.ask(**changes), "invalid_request")


async def test_pk_05_array(world: World, browser: Browser) -> None:
    """A member of another name is unknown and ignored, so the method is missing."""
    async with world.unchanged():
        assert_sent(
            await browser.ask(code_challenge_method=None, **{"code_challenge_method[]": "S256"}), "invalid_request"
        )


@pytest.mark.parametrize("order", [(VERIFIER, "w" * 43), ("w" * 43, VERIFIER), (VERIFIER, VERIFIER)])
async def test_pk_07_two_verifiers(world: World, browser: Browser, order: tuple[str, str]) -> None:
    code = await browser.code()
    form = [*redeeming(code, code_verifier=None).items(), *(("code_verifier", value) for value in order)]
    async with world.unchanged():
        assert_refused(await world.post("/token", urlencode(form), "web"), 400, "invalid_request")
    assert (await world.redeem(code)).status_code == 200, "the honest client is not harmed"
