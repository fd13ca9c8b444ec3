"""RO: odd parameters of an authorization request; pushed and signed ones have files of their own."""

from __future__ import annotations

import json

import pytest
from attack_support import Browser, World, answer_of, assert_page, assert_refused, assert_sent
from attack_world import API, OTHER_API, asking, parts_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "resource",
    [
        "orders",
        "/orders",
        "https://api.test/orders#x",
        "https://unregistered.test/",
        "",
        "javascript:1",
        "\x01",
        "//api.test",
    ],
)
async def test_ro_10_resource_indicators(world: World, browser: Browser, resource: str) -> None:
    async with world.unchanged():
        response = await browser.ask(resource=resource, prompt="none")
    if resource:
        assert_sent(response, "invalid_target", "invalid_request")
        form = {"grant_type": "client_credentials", "resource": resource}
        assert_refused(await world.post("/token", form, "svc"), 400, "invalid_target")
    else:
        assert answer_of(response)["error"] == "login_required"


async def test_ro_10_many_and_foreign_resources(world: World, browser: Browser) -> None:
    async with world.unchanged():
        assert_sent(await browser.ask(resource=[API] * 50), "invalid_target")  # type: ignore[arg-type]
        assert_page(await browser.ask(resource=[API] * 500))  # type: ignore[arg-type]
        assert_sent(await browser.ask("web2", resource=API), "invalid_target")
        form = {"grant_type": "client_credentials", "resource": OTHER_API}
        assert_refused(await world.post("/token", form, "svc"), 400, "invalid_target")


@pytest.mark.parametrize(
    "claims",
    [
        "[" * 3000,
        '{"userinfo":' * 300 + "1" + "}" * 300,
        '{"userinfo": {"name": {"values": [[[[[[[[1]]]]]]]]}}}',
        "[]",
        "1",
        "null",
        '"text"',
        "{",
        "",
        " ",
        '{"userinfo": 1}',
        '{"userinfo": null}',
        '{"userinfo": ["name"]}',
        '{"id_token": {"email": []}}',
        '{"id_token": {"email": true}}',
        '{"id_token": {"acr": "urn:a"}}',
        '{"userinfo": {"name": {"essential": "true"}}}',
        '{"userinfo": {"name": {"essential": 1}}}',
        '{"userinfo": {"name": {"essential": null}}}',
        '{"userinfo": {"name": {"values": "Eve"}}}',
        '{"userinfo": {"name": {"values": {"0": "Eve"}}}}',
        '{"id_token": {"sub": {"value": 1}}}',
        '{"id_token": {"sub": {"value": null}}}',
        '{"id_token": {"acr": {"values": ["urn:a", 2]}}}',
        '{"userinfo": {}, "userinfo": {"name": null}}',
        '{"userinfo": {"name": null, "name": {"essential": true}}}',
        '{"userinfo": {"name": {"value": NaN}}}',
        '{"userinfo": {"name": {"value": 1e400}}}',
        '{"userinfo": {"name": {"value": ' + "1" * 3000 + "}}}",
        '{"userinfo": {"name": {"value": "\\ud800"}}}',
        "\ufeff{}",
    ],
    ids=lambda claims: claims[:50],
)
async def test_ro_11_malformed_claims(world: World, browser: Browser, claims: str) -> None:
    async with world.unchanged():
        response = await browser.ask(claims=claims, prompt="none")
    # An empty parameter is an absent one.
    assert_sent(response, "invalid_request" if claims else "login_required")


@pytest.mark.parametrize(
    "claims",
    [
        "{}",
        '{"a": {"b": null}}',
        '{"userinfo": {"__class__": null, "constructor": {"essential": true}, "": null, "\\u0000": {}}}',
        '{"userinfo": {"name": {"more": [1, {"x": null}], "essential": false}}}',
        '{"id_token": {"iss": {"value": "https://evil.test"}, "exp": {"value": 1}, "amr": null}}',
        '{"userinfo": {"' + "n" * 3000 + '": null}}',
    ],
    ids=lambda claims: claims[:50],
)
async def test_ro_11_unknown_claims_are_ignored(world: World, browser: Browser, claims: str) -> None:
    async with world.unchanged():
        assert_sent(await browser.ask(claims=claims, prompt="none"), "login_required")
    issued = (await world.redeem(await browser.code(claims=claims))).json()
    told = parts_of(issued["id_token"])[1]
    assert (told["iss"], told["amr"]) == (world.provider.issuer, ["pwd"])
    assert told["exp"] > world.now


async def test_ro_11_huge_claims(world: World, browser: Browser) -> None:
    for claims in ("[" * 100_000, "[" * 5_000, json.dumps({"x": "y" * 30_000}), "{" * 1_000_000):
        async with world.unchanged():
            response = await browser.http.post("/authorize", data=asking(claims=claims))
            # Past the size any body may have the request is not read at all.
            if len(claims) > 64_000:
                assert response.status_code == 413
            else:
                assert_sent(response, "invalid_request")


@pytest.mark.parametrize(
    "changes",
    [
        {"max_age": "-1"},
        {"max_age": "99999999999999999999"},
        {"max_age": "abc"},
        {"max_age": "1.5"},
        {"max_age": "\u0661"},
        {"max_age": "1e3"},
        {"max_age": "0x10"},
        {"max_age": " 1"},
        {"prompt": "none login"},
        {"prompt": "bogus"},
        {"prompt": "login bogus"},
        {"prompt": "NONE"},
        {"ui_locales": "en " * 3400},
        {"acr_values": "a " * 5120},
        {"claims": '{"id_token": {"acr": {"essential": true, "values": "urn:a"}}}'},
        {"state": "s" * 10_000},
        {"nonce": "n" * 10_000},
        {"login_hint": "l" * 10_000},
        {"id_token_hint": "x" * 10_000},
        {"unknown": "u" * 10_000},
    ],
    ids=lambda changes: str(changes)[:40],
)
async def test_ro_12_refused(world: World, browser: Browser, changes: dict[str, str]) -> None:
    async with world.unchanged():
        response = await browser.ask(**changes)
    assert_sent(response, "invalid_request", state=changes.get("state", "state-1"))


@pytest.mark.parametrize(
    "changes",
    [
        {"max_age": "1000000000"},
        {"max_age": "0"},
        {"display": "x"},
        {"display": "popup\nx"},
        {"ui_locales": "xx-" * 300},
        {"ui_locales": "../../etc/passwd de"},
        {"acr_values": "urn:nobody urn:offers"},
        {"id_token_hint": "garbage"},
        {"id_token_hint": "a.b.c"},
        {"login_hint": "\u202eecila"},
        {"login_hint": "'\"><script>"},
        {"prompt": ""},
        {"claims_locales": "de"},
        {"claims_locales": "../../etc/passwd \x7f"},
        {"claims": '{"userinfo": {"<script>": {"value": "<script>"}}}'},
    ],
    ids=lambda changes: str(changes)[:40],
)
async def test_ro_12_ignored(world: World, browser: Browser, changes: dict[str, str]) -> None:
    """What the specification lets a server ignore does not stop the person: the login page comes."""
    async with world.unchanged():
        page = await browser.follow(await browser.ask(**changes))
    assert page.status_code == 200
    assert 'id="login"' in page.text
    assert "<script" not in page.text
