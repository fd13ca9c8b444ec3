"""What a hostile peer may send, as strategies, and one request of it looked at closely."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes, urlencode

from attack_support import LEAKS, World
from attack_world import SECRETS, VERIFIER, asking, assertion
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

bounded = settings(
    max_examples=150, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
longer = settings(bounded, max_examples=600)

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
            b"idp=\xff\xfe",
            b"idp-browser=\xc3; idp",
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
cookies = st.tuples(st.sampled_from([b"idp=", b"idp-browser=", b"idp=x; idp=", b";=;"]), st.binary(max_size=20)).map(
    lambda parts: parts[0] + parts[1].translate(None, b"\r\n\x00")
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
    deep = ["/authorize", "/token", "/login", "/consent", "/logout"]  # where most stands behind the first checks
    return sorted(mounted) + documents + deep * 4


def encoded(given: list[tuple[str, str]], known: dict[str, str]) -> bytes:
    filled = [(name, known[text[1:]] if text[:1] == "\x01" and text[1:] in known else text) for name, text in given]
    return urlencode(filled, errors="surrogatepass").encode()
