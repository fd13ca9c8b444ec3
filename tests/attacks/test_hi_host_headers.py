"""HI: what a request says about the host, the scheme or the person changes nothing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest
from attack_raw import Heard, form, request, talk
from attack_support import Browser, World, answer_of, assert_sent
from attack_world import asking, parts_of
from support.serving import serving

from idp.testing import RunningServer

pytestmark = pytest.mark.anyio

LIES = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "444",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-For": "203.0.113.9",
    "Forwarded": 'for=203.0.113.9;host=evil.example;proto=https;by="[::1]"',
    "X-Original-URL": "/healthz",
    "X-Rewrite-URL": "/healthz",
    "X-Original-Host": "evil.example",
    "X-Host": "evil.example",
    "X-HTTP-Method-Override": "DELETE",
    "X-Real-IP": "203.0.113.9",
}
PEOPLE = {
    "Remote-User": "alice",
    "X-Remote-User": "alice",
    "X-Forwarded-User": "alice",
    "X-Forwarded-Email": "alice@example.com",
    "X-Auth-Request-User": "alice",
    "X-Auth-Request-Email": "alice@example.com",
    "X-Authentik-Username": "alice",
    "X-WebAuth-User": "alice",
    "OIDC_CLAIM_sub": "alice",
    "Remote_User": "alice",
    "X-Client-Cert": "alice",
    "X-SSL-Client-Verify": "SUCCESS",
}


@pytest.mark.parametrize(
    "host", ["evil.example", "id.test.evil.example", "ID.TEST", "id.test:444", "", "a b", "\xff", "id.test\\@evil"]
)
async def test_hi_01_evil_host_under_serve(production: World, host: str) -> None:
    """Documents, redirects and pages hold the configured origin or none at all."""
    honest, lied = production.browser(), production.browser()
    headers = [("Host", host.encode("latin-1"))]
    for path in (
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
        "/logout",
        "/logged-out",
        "/nowhere",
        "/hello",
    ):
        right, other = await honest.http.get(path), await lied.http.get(path, headers=headers)
        assert other.status_code in (400, 421, right.status_code), path
        assert "evil" not in other.text + str(other.headers), path
        if path.startswith("/.well-known"):
            assert other.status_code in (400, 421) or other.content == right.content
    response = await lied.http.get("/authorize", params=asking(prompt="none"), headers=headers)
    if response.status_code == 303:
        assert answer_of(response)["iss"] == "https://id.test"
    login = await lied.http.get("/authorize", params=asking(), headers=headers)
    assert login.headers.get("location", "/login").startswith("/login")
    for path in ("/token/", "//evil.example/", "/authorize/"):
        response = await lied.http.get(path, headers=headers)
        assert "location" not in response.headers, path


async def test_hi_01_tokens_name_the_configured_issuer(production: World, browser: Browser) -> None:
    issued = await browser.tokens()
    assert {parts_of(issued[name])[1]["iss"] for name in ("access_token", "id_token")} == {"https://id.test"}


def stripped(heard: Heard) -> list[bytes]:
    """An answer without what differs every time."""
    noise = (b"date:", b"x-correlation-id:", b"set-cookie: idp-browser=", b"location: /login?t=")
    return [line for line in heard.data.split(b"\r\n") if not line.startswith(noise)]


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("lies", [LIES, {name.lower(): value for name, value in LIES.items()}], ids=["usual", "lower"])
def test_hi_02_forwarding_headers(socket_server: RunningServer, source: str, lies: dict[str, str]) -> None:
    """From any peer: byte for byte the answer that comes without them, cookie flags included."""
    query = f"/authorize?{urlencode(asking())}"
    documents = ("/.well-known/openid-configuration", "/.well-known/jwks.json")
    for path in (*documents, "/", "/hello", query, query + "&prompt=none", "/authorize"):
        told = talk(socket_server, request("GET", path, lies), source=source)
        plain = talk(socket_server, request("GET", path), source=source)
        if b"error-reference" not in plain.data:
            assert stripped(told) == stripped(plain)
        assert b"evil.example" not in told.data
        assert b"Secure" not in told.data
    named = {name.replace("-", "_"): value for name, value in lies.items()}
    assert talk(socket_server, form("/token", b"grant_type=client_credentials", **named), source=source).status == 401


def test_hi_05_underscores_and_duplicates(socket_server: RunningServer) -> None:
    plain = talk(socket_server, request("GET", "/.well-known/openid-configuration"))
    for headers in (
        {"X_Forwarded_Host": "evil.example", "X_Forwarded_For": "203.0.113.9"},
        {"X-Forwarded-Host": "evil.example", "x-forwarded-host": "worse.example"},
        {"X-Forwarded-Host": "evil.example", "Connection": "X-Forwarded-Host"},
        {"Connection": "close, Host, Authorization, Cookie"},
    ):
        told = talk(socket_server, request("GET", "/.well-known/openid-configuration", headers))
        assert told.data.partition(b"\r\n\r\n")[2] == plain.data.partition(b"\r\n\r\n")[2]


async def test_hi_02_two_hundred_lies_and_one_discovery_document(tmp_path: Path) -> None:
    """Byte for byte, cache headers included; with a proxy in front that is trusted, too."""
    hosts = ["id.test", "ID.TEST", "id.test:443", "id.test:8443", "id.test.", "evil.example", "[::1]:80", "", "a b"]
    hosts.append("\xff")
    said = [{}, LIES, *({name: value} for name, value in LIES.items()), {"X-Forwarded-Host": "evil.example, id.test"}]
    said += [{"X-Forwarded-Proto": scheme} for scheme in ("http", "wss", "javascript", "https, http")]
    combinations = [(host, headers) for host in hosts for headers in said] + [
        (host, {"X-Forwarded-Host": other, "X-Forwarded-Proto": "http"}) for host in hosts[:2] for other in hosts
    ]
    assert len(combinations) >= 200
    seen: dict[str, set[tuple[int, bytes, tuple[tuple[str, str], ...]]]] = {}
    async with serving(tmp_path, issuer="https://id.test", trusted_proxies=["127.0.0.0/8"]) as (_, http):
        for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
            for host, headers in combinations:
                given = [(name.encode(), text.encode("latin-1")) for name, text in {"Host": host, **headers}.items()]
                answer = await http.get(path, headers=given)
                told = answer.status_code, answer.content, tuple(sorted(answer.headers.items()))
                seen.setdefault(path, set()).add(told)
    assert [len(answers) for answers in seen.values()] == [1, 1]
    assert all(status == 200 and b'"issuer":"https://id.test"' in body for status, body, _ in set.union(*seen.values()))


async def test_hi_06_identity_headers(world: World, production: World) -> None:
    for place in (world, production):
        stranger = place.browser()
        for name, value in PEOPLE.items():
            headers = {name: value}
            response = await stranger.http.get("/authorize", params=asking(prompt="none"), headers=headers)
            assert answer_of(response)["error"] == "login_required", name
            assert (await stranger.http.get("/userinfo", headers=headers)).status_code == 401, name
            answer = await stranger.http.post("/token", data={"grant_type": "client_credentials"}, headers=headers)
            assert answer.status_code == 401, name
            assert "alice" not in (await stranger.http.get("/logout", headers=headers)).text.lower(), name
    assert_sent(await world.browser().ask(prompt="none"), "login_required")
