"""Whatever arrives at whatever endpoint: an answer of the 2xx to 4xx kind, no fault, no leak, no trace of a refusal.

Requests go straight into the application, byte for byte as a hostile peer's would after parsing. Seeded: every run is
the same run.
"""

from __future__ import annotations

import base64
import json
import random
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes, urlencode

import pytest
from attack_raw import form, request, talk
from attack_support import LEAKS, World, signed_es256
from attack_world import ES_KEY, SECRETS, VERIFIER, asking, assertion, b64, forge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idp.testing import RunningServer

pytestmark = pytest.mark.anyio

bounded = settings(
    max_examples=250, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
longer = settings(bounded, max_examples=1_000)

NAMES = [
    *asking(),
    "grant_type",
    "code",
    "code_verifier",
    "refresh_token",
    "token",
    "token_type_hint",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "resource",
    "prompt",
    "max_age",
    "display",
    "ui_locales",
    "login_hint",
    "id_token_hint",
    "acr_values",
    "request",
    "request_uri",
    "registration",
    "response_mode",
    "claims",
    "username",
    "password",
    "t",
    "decision",
    "choice",
    "post_logout_redirect_uri",
    "logout_hint",
    "access_token",
    "error",
]
# What an attacker may hold or know, by name; filled in when the provider runs.
HELD = (
    "code",
    "refresh",
    "access",
    "id_token",
    "page",
    "form",
    "assertion",
    "client",
    "redirect",
    "verifier",
    "secret",
)
METHODS = (*["GET", "POST"] * 4, "HEAD", "PUT", "OPTIONS", "DELETE", "get", "")
HEADERS = [
    "authorization",
    "cookie",
    "content-type",
    "content-length",
    "content-encoding",
    "accept",
    "accept-language",
    "host",
    "origin",
    "referer",
    "sec-fetch-site",
    "if-none-match",
    "range",
    "x-forwarded-host",
    "forwarded",
    "dpop",
    "expect",
    "upgrade",
    "connection",
    "te",
]

odd_text = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="\x00\r\n\t\"'\\<>%&=;#/ \u202e\ud7ff\U0001f600a", max_size=12),
    st.sampled_from(
        ["a" * 5_000, "\u0301" * 2_000, "[" * 3_000, "-1", "9" * 400, "null", "true", "1e999", "%00", "../..", "{}"]
    ),
)
value = st.one_of(st.sampled_from([f"\x01{name}" for name in HELD]), odd_text)
pairs = st.lists(st.tuples(st.one_of(st.sampled_from(NAMES), st.text(max_size=8)), value), max_size=12)
raw = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=60).map(lambda data: quote_from_bytes(data).encode()),
    st.lists(
        st.sampled_from([b"%", b"%ff", b"%00", b"=", b"&", b"+", b"%c0%af", b"client_id", b"=web", b"%ed%a0%80", b";"])
    ).map(b"".join),
)
header_value = st.one_of(
    st.binary(max_size=60).map(lambda data: data.translate(None, b"\r\n\x00")),
    st.sampled_from(
        [
            b"Bearer x",
            b"Basic !!",
            b"application/json",
            b"application/x-www-form-urlencoded",
            b"text/html",
            b"*/*",
            b"gzip",
        ]
    ),
    st.sampled_from(
        [
            b"idp=x; idp=y",
            b"a" * 5_000,
            b"https://evil.example",
            b"null",
            b"cross-site",
            b"de-CH;q=\xff",
            b"bytes=0-,-1",
        ]
    ),
)
headers = st.lists(st.tuples(st.sampled_from(HEADERS), header_value), max_size=6)
depth = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)),
    max_leaves=20,
)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


async def send(
    world: World, method: str, path: str, query: bytes, header_pairs: list[tuple[bytes, bytes]], body: bytes
) -> Answer:
    """One request without any client library between."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "replace"),
        "query_string": query,
        "headers": [(b"host", b"localhost:8000"), *header_pairs],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages, {"type": "http.disconnect"})

    async def answer(message: Any) -> None:
        sent.append(message)

    await world.provider.application(scope, receive, answer)
    found = {name.decode("latin-1"): text.decode("latin-1") for name, text in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))


async def safe(world: World, *arguments: Any) -> Answer:
    """U1, U2 and U6 on one request."""
    before = world.dump()
    answer = await send(world, *arguments)
    assert 200 <= answer.status < 500, (arguments, answer)
    seen = answer.body.decode("utf-8", "replace") + str(answer.headers)
    found = LEAKS.search(seen)
    assert found is None, (found, arguments)
    assert all("\r" not in text and "\n" not in text for text in answer.headers.values())
    if answer.status >= 400:
        after = world.dump()
        assert before == after, ([name for name in after if after[name] != before[name]], arguments)
    return answer


_held: dict[int, dict[str, str]] = {}


async def held(world: World) -> dict[str, str]:
    """What the attacker has in hand: real values of real flows, and the cookies that go with them."""
    if id(world) not in _held:
        browser = world.browser()
        tokens = await browser.tokens()
        page = await browser.follow(await browser.ask(prompt="consent"))
        _held[id(world)] = {
            "code": await browser.code(),
            "refresh": tokens["refresh_token"],
            "access": tokens["access_token"],
            "id_token": tokens["id_token"],
            "page": str(page.url.params["t"]),
            "form": page.text.partition('name="t" value="')[2].partition('"')[0],
            "assertion": assertion("pkj", world.now),
            "client": "web",
            "redirect": "https://rp.test/cb",
            "verifier": VERIFIER,
            "secret": SECRETS["web"],
            "cookie": "; ".join(f"{name}={text}" for name, text in browser.http.cookies.items()),
        }
    return _held[id(world)]


def paths(world: World) -> list[str]:
    mounted = {endpoint.path for feature in world.provider.application.features for endpoint in feature.endpoints}
    documents = [
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        "/healthz",
        "/readyz",
        "/static/x",
        "/\u00e9",
    ]
    return sorted(mounted) + documents


def encoded(given: list[tuple[str, str]], known: dict[str, str]) -> bytes:
    filled = [(name, known[text[1:]] if text[:1] == "\x01" and text[1:] in known else text) for name, text in given]
    return urlencode(filled, errors="surrogatepass").encode()


@longer
@given(
    where=st.integers(0, 99),
    method=st.sampled_from(METHODS),
    query=pairs,
    body=pairs,
    extra=headers,
    signed_in=st.booleans(),
    as_client=st.sampled_from([None, "web", "svc", "spa"]),
    start=st.booleans(),
)
async def test_parameters_of_all_kinds(
    world: World,
    where: int,
    method: str,
    query: Any,
    body: Any,
    extra: Any,
    signed_in: bool,
    as_client: Any,
    start: bool,
) -> None:
    known = await held(world)
    path = paths(world)[where % len(paths(world))]
    sent = [(name.encode(), text) for name, text in extra]
    if signed_in:
        sent.append((b"cookie", known["cookie"].encode()))
    if as_client in SECRETS:
        pair = f"{as_client}:{SECRETS[as_client]}".encode()
        sent.append((b"authorization", b"Basic " + base64.b64encode(pair)))
    if not any(name == b"content-type" for name, _ in sent):
        sent.append((b"content-type", b"application/x-www-form-urlencoded"))
    # Half of the requests begin as correct ones, so that the fuzz reaches what stands behind the first checks.
    good = list(asking().items()) if start and path.startswith("/authorize") else []
    good_form = [("grant_type", "authorization_code"), ("code", known["code"])] if start and path == "/token" else []
    changed = {name for name, _ in query}
    await safe(
        world,
        method,
        path,
        encoded([pair for pair in good if pair[0] not in changed] + query, known),
        sent,
        encoded(good_form + body, known),
    )


@longer
@given(where=st.integers(0, 99), method=st.sampled_from(("GET", "POST")), query=raw, body=raw, extra=headers)
async def test_bytes_of_all_kinds(world: World, where: int, method: str, query: bytes, body: bytes, extra: Any) -> None:
    path = paths(world)[where % len(paths(world))]
    sent = [(name.encode(), text) for name, text in extra] + [(b"content-type", b"application/x-www-form-urlencoded")]
    await safe(world, method, path, query, sent, body)


@bounded
@given(document=depth, name=st.sampled_from(("username", "refresh", "token")), cut=st.integers(0, 40))
async def test_json_of_all_kinds(world: World, document: Any, name: str, cut: int) -> None:
    text = json.dumps({name: document, "password": document} if cut % 2 else document)
    body = text.encode("utf-8", "surrogatepass")[: -cut or None]
    for path in ("/api/token/", "/api/token/refresh/", "/api/token/verify/", "/token"):
        await safe(world, "POST", path, b"", [(b"content-type", b"application/json")], body)


@bounded
@given(header=depth, claims=depth, keep=st.booleans(), signature=st.binary(max_size=80))
async def test_tokens_of_all_kinds(world: World, header: Any, claims: Any, keep: bool, signature: bytes) -> None:
    """Header and claims of any shape, honestly signed where the header is kept."""
    if keep:
        members = {"iss": "pkj", "sub": "pkj", "aud": world.provider.issuer, "exp": int(world.now) + 60, "jti": "x"}
        given_claims = {**members, **claims} if isinstance(claims, dict) else {**members, "exp": claims}
        token = forge({"alg": "ES256", "kid": "es", "typ": "JWT"}, json.dumps(given_claims), signed_es256(ES_KEY))
    else:
        token = f"{b64(json.dumps(header))}.{b64(json.dumps(claims))}.{b64(signature)}"
    bearer = [(b"authorization", b"Bearer " + token.encode())]
    await safe(world, "GET", "/userinfo", b"", bearer, b"")
    form_type = [(b"content-type", b"application/x-www-form-urlencoded")]
    proof = {
        "client_assertion": token,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    body = urlencode({**proof, "grant_type": "client_credentials"}).encode()
    await safe(world, "POST", "/token", b"", form_type, body)
    await safe(world, "GET", "/authorize", urlencode(asking(prompt="none", id_token_hint=token)).encode(), [], b"")
    await safe(world, "GET", "/logout", urlencode({"id_token_hint": token}).encode(), [], b"")


def test_requests_with_bytes_changed(socket_server: RunningServer) -> None:
    """Good requests with a few bytes changed, lost or doubled, over a socket: the server lives, and never says 5xx."""
    chance = random.Random(20_270_115)
    good = [
        request("GET", f"/authorize?{urlencode(asking())}", {"Cookie": "idp=x", "Accept": "text/html"}),
        form(
            "/token",
            urlencode({"grant_type": "refresh_token", "refresh_token": "x"}).encode(),
            Authorization="Basic d2ViOng=",
        ),
        request("GET", "/userinfo", {"Authorization": "Bearer a.b.c", "Connection": "close"}),
        form("/login", b"t=x&username=alice&password=alice", Origin=socket_server.issuer),
    ]
    for number in range(80):
        data = bytearray(good[number % len(good)])
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            kind = chance.randrange(3)
            if kind == 0:
                data[at] = chance.randrange(256)
            elif kind == 1:
                del data[at : at + chance.randint(1, 9)]
            else:
                data[at:at] = data[at : at + chance.randint(1, 40)]
        heard = talk(socket_server, bytes(data), seconds=0.1)
        assert all(status < 500 for status in heard.statuses), bytes(data)
        assert LEAKS.search(heard.data.decode("latin-1")) is None
    assert talk(socket_server, request("GET", "/healthz")).status == 200
