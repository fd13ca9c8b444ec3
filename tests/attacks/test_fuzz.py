"""Whatever arrives at whatever endpoint: an answer of the 2xx to 4xx kind, no fault, no leak, no trace of a refusal.

Requests go straight into the application, byte for byte as a hostile peer's would after parsing. Seeded: every run is
the same run.
"""

from __future__ import annotations

import base64
import json
import random
from typing import Any
from urllib.parse import urlencode

import pytest
from attack_raw import form, request, talk
from attack_support import LEAKS, World, signed_es256
from attack_world import ES_KEY, SECRETS, asking, b64, forge
from fuzzing import METHODS, bounded, cookies, depth, encoded, headers, held, longer, pairs, paths, raw, safe
from hypothesis import given
from hypothesis import strategies as st

from idp.testing import RunningServer

pytestmark = pytest.mark.anyio

GOOD = [
    ("/authorize", list(asking().items())),
    ("/authorize", list(asking(prompt="none").items())),
    ("/par", list(asking().items())),
    ("/authorize", [("client_id", "web"), ("request", "\x01assertion")]),
    ("/token", [("grant_type", "client_credentials"), ("scope", "orders")]),
    ("/token", [("grant_type", "authorization_code"), ("code", "x"), ("redirect_uri", "\x01redirect")]),
    ("/token", [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", "spa")]),
    ("/device_authorization", [("client_id", "spa"), ("scope", "openid")]),
    ("/device", [("user_code", "BCDF-GHJK")]),
    ("/device", [("t", "\x01form"), ("user_code", "BCDF-GHJK")]),
    ("/introspect", [("token", "\x01access")]),
    ("/login", [("t", "\x01form"), ("username", "alice"), ("password", "alice")]),
    ("/consent", [("t", "\x01form"), ("decision", "x")]),
    ("/consent", [("t", "\x01page")]),
    ("/logout", [("client_id", "web"), ("post_logout_redirect_uri", "https://rp.test/bye"), ("state", "s")]),
    ("/userinfo", [("access_token", "\x01access")]),
]


@longer
@given(
    where=st.integers(0, 99),
    method=st.sampled_from(METHODS),
    query=pairs,
    body=pairs,
    extra=headers,
    cookie=st.one_of(st.just(b"held"), cookies),
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
    cookie: bytes,
    as_client: Any,
    start: bool,
) -> None:
    known = await held(world)
    path = paths(world)[where % len(paths(world))]
    sent = [(name.encode(), text) for name, text in extra]
    sent.append((b"cookie", known["cookie"].encode() if cookie == b"held" else cookie))
    if as_client in SECRETS:
        pair = f"{as_client}:{SECRETS[as_client]}".encode()
        sent.append((b"authorization", b"Basic " + base64.b64encode(pair)))
    if not any(name == b"content-type" for name, _ in sent):
        sent.append((b"content-type", b"application/x-www-form-urlencoded"))
    if start:
        # Half of the requests are correct but for one member, so that the fuzz reaches what stands behind the checks.
        path, good = GOOD[where % len(GOOD)]
        method = method if method in ("GET", "POST") else "GET"
        changed = query[:1]
        pairs_sent = [(name, text) for name, text in good if name not in dict(changed)] + changed
        query, body = (pairs_sent, []) if method == "GET" else ([], pairs_sent)
    await safe(world, method, path, encoded(query, known), sent, encoded(body, known))


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
