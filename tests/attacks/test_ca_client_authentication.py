"""CA: a client proves itself in exactly the one way it registered, and each proof counts once."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from attack_crowd import browser_at
from attack_support import Browser, World, assert_refused
from attack_world import (
    ASSERTION_TYPE,
    ISSUER,
    SECRETS,
    assertion,
    credentials,
    forge,
    redeeming,
    with_assertion,
)

from idp.protocol.limits import Limit
from idp.web.limits import Buckets

pytestmark = pytest.mark.anyio
WRONG = (401, 400)
MACHINE = {"grant_type": "client_credentials"}


async def test_ca_01_secret_in_the_query(world: World, caplog: pytest.LogCaptureFixture) -> None:
    query = {"client_id": "post", "client_secret": SECRETS["post"]}
    async with world.unchanged():
        response = await world.api.http.post("/token", params=query, data=MACHINE)
    assert_refused(response, 401, "invalid_client")
    said = [record.getMessage() for record in caplog.records if record.name.startswith(("idp", "uvicorn"))]
    assert said
    assert not any(SECRETS["post"] in line for line in said)


@pytest.mark.parametrize(
    ("client", "form"),
    [
        ("web", {"client_secret": SECRETS["web"]}),
        ("web", {"client_id": "web", "client_secret": SECRETS["web"]}),
        ("web", {"client_secret": "wrong"}),
        ("web", {"client_assertion": "e30.e30.", "client_assertion_type": ASSERTION_TYPE}),
        ("web", {"client_assertion": "junk"}),
        (None, {"client_id": "post", "client_secret": SECRETS["post"], "client_assertion": "e30.e30."}),
    ],
)
async def test_ca_02_two_methods_at_once(world: World, client: str | None, form: dict[str, str]) -> None:
    async with world.unchanged():
        assert_refused(
            await world.post("/token", {**MACHINE, **form}, client), WRONG, "invalid_request", "invalid_client"
        )


async def test_ca_02_two_headers(world: World) -> None:
    pair = base64.b64encode(f"web:{SECRETS['web']}".encode()).decode()
    headers = [("Authorization", f"Basic {pair}"), ("Authorization", f"Basic {pair}")]
    async with world.unchanged():
        response = await world.api.http.post("/token", data=MACHINE, headers=headers)
        assert_refused(response, WRONG, "invalid_request", "invalid_client")


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke", "/device_authorization"])
@pytest.mark.parametrize("client", ["web", "svc", "post", "pkj", "session"])
async def test_ca_03_confidential_client_with_its_name_alone(
    world: World, browser: Browser, path: str, client: str
) -> None:
    issued = await browser.tokens()
    forms: list[dict[str, str]] = [{"token": issued["refresh_token"]}]
    if path == "/token":
        code = await browser.code()
        refresh = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
        forms = [redeeming(code), refresh, MACHINE]
    async with world.unchanged():
        for form in forms:
            assert_refused(await world.post(path, {**form, "client_id": client}), 401, "invalid_client")
            assert_refused(await world.post(path, form), 401, "invalid_client")


async def test_ca_04_method_other_than_registered(world: World) -> None:
    now = world.now
    forms: list[tuple[dict[str, str], str | None]] = [
        ({**MACHINE, "client_id": "web", "client_secret": SECRETS["web"]}, None),
        ({**MACHINE, "client_id": "pkj"}, None),
        ({**MACHINE, "client_id": "pkj", "client_secret": "x" * 32}, None),
        (with_assertion(assertion("pkj", now, iss="web", sub="web")), None),
        (with_assertion(assertion("pkj", now, iss="spa", sub="spa")), None),
        ({**MACHINE, "client_id": "spa", "client_secret": "x" * 32}, None),
    ]
    async with world.unchanged():
        for form, client in forms:
            assert_refused(await world.post("/token", form, client), 401, "invalid_client")
        for pair in (("post", SECRETS["post"]), ("pkj", "x" * 32), ("spa", "x")):
            response = await world.api.http.post("/token", data=MACHINE, auth=pair)
            assert_refused(response, 401, "invalid_client")


async def test_ca_05_empty_secret_or_key(world: World) -> None:
    async with world.unchanged():
        for client in ("web", "pkj", "spa", "native"):
            response = await world.api.http.post("/token", data=MACHINE, auth=(client, ""))
            assert_refused(response, 401, "invalid_client")
        response = await world.post("/token", {**MACHINE, "client_id": "post", "client_secret": ""})
        assert_refused(response, 401, "invalid_client")
        claims = {"iss": "pkj", "sub": "pkj", "aud": ISSUER, "exp": int(world.now) + 60, "jti": "empty"}
        for client in ("pkj", "web", "post"):
            claims |= {"iss": client, "sub": client}
            text = forge({"alg": "HS256", "kid": "es"}, claims, lambda m: hmac.digest(b"", m, hashlib.sha256))
            assert_refused(await world.post("/token", with_assertion(text)), 401, "invalid_client")


def _b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


BASIC = [
    "",
    "Basic",
    "Basic ",
    "Basic  " + _b64(f"web:{SECRETS['web']}"),
    "Basic " + _b64("web"),
    "Basic " + _b64(f":{SECRETS['web']}"),
    "Basic " + _b64("web:"),
    "Basic !!!!",
    "Basic " + _b64(f"web:{SECRETS['web']}")[:-2],
    "Basic " + _b64(f"web:{SECRETS['web']}") + "\t",
    "Basic " + _b64(f"web:{SECRETS['web']}")[:10] + " " + _b64(f"web:{SECRETS['web']}")[10:],
    "Basic " + _b64(b"\xfb\xef\xff:\xff").replace("+", "-").replace("/", "_"),
    "Basic " + _b64(b"web:\xff\xfe"),
    "Basic " + _b64(f"web:{SECRETS['web']}\x00"),
    "Basic " + _b64("web\x00:x"),
    "Basic " + _b64("web%00:x"),
    "Basic " + _b64(f"web%3A{SECRETS['web']}"),
    "Basic " + _b64("web:%ff%fe"),
    "Basic " + _b64("web:%zz"),
    "Basic " + _b64("web:" + "x" * 1_000_000),
    "Bearer " + _b64(f"web:{SECRETS['web']}"),
    "Digest username=web",
]


@pytest.mark.parametrize("header", BASIC, ids=[f"{index}" for index in range(len(BASIC))])
async def test_ca_06_broken_basic_header(world: World, header: str) -> None:
    async with world.unchanged():
        response = await world.post("/token", MACHINE, Authorization=header)
    assert_refused(response, 401, "invalid_client")
    assert response.headers["www-authenticate"].startswith("Basic ")


async def test_ca_06_form_encoded_halves_are_read(world: World) -> None:
    """RFC 6749 2.3.1: the right secret, percent-encoded, is the right secret."""
    encoded = "".join(f"%{ord(character):02X}" for character in SECRETS["web"])
    response = await world.post("/token", MACHINE, Authorization="Basic " + _b64(f"web:{encoded}"))
    assert response.status_code == 200


async def test_ca_15_guessing_is_throttled_and_locks_nobody_out(fresh: World) -> None:
    """1,000 wrong secrets for ``web`` in 60 s from one address."""
    near, far = browser_at(fresh, "198.51.100.8"), browser_at(fresh, "203.0.113.9")
    guesser = browser_at(fresh, "198.51.100.7").http
    statuses = []
    for number in range(1_000):
        fresh.provider.clock.advance(0.06)
        response = await guesser.post("/token", data=MACHINE, auth=("web", f"{number:032}"))
        assert_refused(response, (401, 429), "invalid_client")
        statuses.append(response.status_code)
        if number % 100 == 99:
            for http in (guesser, near.http, far.http):
                assert (await http.post("/token", data=MACHINE, auth=credentials("svc"))).status_code == 200
    assert statuses[:100] == [401] * 100
    assert statuses.count(401) <= 200
    assert 0 < int(response.headers["retry-after"]) <= 60
    assert (await guesser.post("/token", data=MACHINE, auth=credentials("web"))).status_code == 429
    for http in (near.http, far.http):
        assert (await http.post("/token", data=MACHINE, auth=credentials("web"))).status_code == 200
    for path in ("/introspect", "/revoke"):
        assert (await guesser.post(path, data={"token": "x"}, auth=credentials("web"))).status_code == 429
    fresh.provider.clock.advance(60)
    assert (await guesser.post("/token", data=MACHINE, auth=credentials("web"))).status_code == 200


async def test_ca_15_made_up_clients_count_for_their_network(fresh: World) -> None:
    guesser = browser_at(fresh, "198.51.100.7").http
    statuses = [
        (await guesser.post("/token", data=MACHINE, auth=(f"nobody-{number}", "x"))).status_code
        for number in range(150)
    ]
    assert statuses == [401] * 100 + [429] * 50
    assert (await guesser.post("/token", data=MACHINE, auth=credentials("web"))).status_code == 200
    public = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "spa"}
    assert_refused(await guesser.post("/token", data=public), 400, "invalid_grant")


async def test_ca_15_a_whole_network_has_a_limit() -> None:
    async with World(limits__client=10, limits__client_network=25) as world:
        answers = []
        for number in range(60):
            http = browser_at(world, f"198.51.100.{number % 2}").http
            client = ("web", "svc", "rs")[number % 3]
            answers.append((await http.post("/token", data=MACHINE, auth=(client, "wrong"))).status_code)
        assert answers == [401] * 25 + [429] * 35
        assert (await world.post("/token", MACHINE, "web")).status_code == 200, "another network"


def test_ca_15_what_is_remembered_is_bounded() -> None:
    buckets, limit = Buckets(most=3), Limit(1, 60)
    for number in range(10):
        assert buckets.add(number, limit, 0.0) == 0.0
    assert len(buckets) == 3
    assert buckets.wait(9, limit, 15.0) == pytest.approx(45.0)
    assert buckets.add(9, limit, 15.0) == pytest.approx(45.0), "a refused one is not counted"
    assert buckets.add(9, limit, 60.0) == 0.0
    assert buckets.wait(0, limit, 0.0) == 0.0
