"""Signed request objects over HTTP (RFC 9101), sent along, fetched, and pushed."""

from __future__ import annotations

import asyncio
import http.server
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest
from joserfc.jwk import ECKey
from requesting import JWKS, KEYS, handle, pushed, signed
from support import WEB, Answer, App, Page, Visitor, granted, register

from idp.outbound_kept import LEAST
from idp.testing import Provider

pytestmark = pytest.mark.anyio

SECRET = "secret-of-signers-0123456789"
SIGNER = App("signer", "https://signer.test/cb", SECRET, scope="openid profile email", members={"jwks": JWKS})
STRICT = App(
    "strict",
    "https://strict.test/cb",
    SECRET,
    members={"jwks": JWKS, "require_signed_request_object": True, "request_object_signing_alg": "ES256"},
)
ROGUE = ECKey.generate_key("P-256", parameters={"kid": "ec", "use": "sig", "alg": "ES256"})


class Shelf:
    """A web server with documents by path; it counts who asks."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[int, Mapping[str, str], bytes]] = {}
        self.asked: list[str] = []
        shelf = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shelf.asked.append(self.path)
                status, headers, body = shelf.documents.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"

    def put(self, path: str, text: str, status: int = 200, **headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.documents[path] = (status, named, text.encode())
        return self.base + path


@pytest.fixture(scope="module")
def shelf() -> Iterator[Shelf]:
    found = Shelf()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def fetched(shelf: Shelf) -> App:
    """The client whose objects stand at addresses."""
    paths = ("/a", "/b", "/c", "/d#first", "/gone", "/moved", "/large", "/slow", "/words", "/missing", "/many")
    members = {"jwks": JWKS, "request_uris": [shelf.base + path for path in paths]}
    return App("fetched", "https://fetched.test/cb", SECRET, scope="openid profile email", members=members)


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider, fetched: App) -> None:
    await register(provider, SIGNER, STRICT, fetched)


@pytest.fixture
async def stranger(provider: Provider) -> AsyncIterator[Visitor]:
    visitor = Visitor(provider)
    yield visitor
    await visitor.aclose()


def error_of(stop: Page | Answer) -> str | None:
    assert isinstance(stop, Answer), stop
    return stop.error


# -- by value


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("alg", KEYS)
async def test_a_whole_sign_on(provider: Provider, stranger: Visitor, alg: str, method: str) -> None:
    request = {"client_id": "signer", "request": signed(provider, SIGNER, alg)}
    back = await stranger.sign_on(request, method=method)
    assert (back.to, back.members["state"]) == (SIGNER.redirect_uri, "state-of-the-app")
    assert (await SIGNER.redeem(provider.http, back.code)).status_code == 200


@pytest.mark.parametrize("typ", ["oauth-authz-req+jwt", "application/oauth-authz-req+jwt", "JWT", None])
async def test_its_types(provider: Provider, stranger: Visitor, typ: str | None) -> None:
    request = {"client_id": "signer", "request": signed(provider, SIGNER, header={"typ": typ})}
    assert granted(await stranger.sign_on(request))


@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "client-authentication+jwt", "logout+jwt"])
async def test_other_types_are_something_else(provider: Provider, stranger: Visitor, typ: str) -> None:
    request = SIGNER.request(request=signed(provider, SIGNER, header={"typ": typ}))
    assert error_of(await stranger.authorize(request)) == "invalid_request_object"


async def test_only_what_is_inside_counts(provider: Provider, stranger: Visitor) -> None:
    """RFC 9101 6.3: whatever stands beside the object, and whatever it leaves out."""
    inside = signed(provider, SIGNER, state=None, nonce="inner", scope="openid")
    beside = {"state": "outer", "nonce": "outer", "scope": "openid email", "prompt": "none", "max_age": "0"}
    back = await stranger.sign_on({**SIGNER.request(**beside), "request": inside})
    assert "state" not in back.members
    tokens = (await SIGNER.redeem(provider.http, back.code)).json()
    assert tokens["scope"] == "openid"


async def test_a_bad_address_beside_a_good_one_inside(provider: Provider, stranger: Visitor) -> None:
    """What oidcc-ensure-request-object-with-redirect-uri asks: the inner one is used."""
    request = SIGNER.request(redirect_uri="https://elsewhere.test/cb", request=signed(provider, SIGNER))
    assert (await stranger.sign_on(request)).to == SIGNER.redirect_uri
    request = SIGNER.request(request=signed(provider, SIGNER, redirect_uri="https://elsewhere.test/cb"))
    stop = await stranger.authorize(request)
    assert isinstance(stop, Page)
    assert stop.id == "error"


async def test_numbers_objects_and_lists_become_parameters(provider: Provider, stranger: Visitor) -> None:
    more = {"max_age": 3600, "claims": {"userinfo": {"email": None}}, "resource": [provider.issuer]}
    assert granted(await stranger.sign_on({"client_id": "signer", "request": signed(provider, SIGNER, **more)}))


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "web"},
        {"client_id": None},
        {"iss": "web"},
        {"iss": None},
        {"aud": "https://elsewhere.test"},
        {"aud": None},
        {"aud": ["https://elsewhere.test"]},
        {"aud": {"http://localhost:8000": 1}},
        {"sub": "signer"},
        {"exp": 1},
        {"exp": "soon"},
        {"exp": True},
        {"nbf": 9_999_999_999},
        {"iat": 9_999_999_999},
        {"jti": 7},
        {"jti": "j" * 256},
        {"request": "x"},
        {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
        {"prompt": ["login"]},
        {"max_age": 1.5},
        {"max_age": True},
        {"state": "\0"},
        {"resource": [7]},
        {f"x{number}": "y" for number in range(70)},
    ],
    ids=lambda changes: str(changes)[:50],
)
async def test_what_an_object_may_not_say(provider: Provider, stranger: Visitor, changes: dict[str, Any]) -> None:
    back = await stranger.authorize(SIGNER.request(request=signed(provider, SIGNER, **changes)))
    assert error_of(back) == "invalid_request_object"
    assert isinstance(back, Answer)
    assert back.members["state"] == "state-of-the-app"


async def test_the_leeway_of_clocks(provider: Provider, stranger: Visitor) -> None:
    now = provider.clock()
    for changes in ({"nbf": now + 8}, {"exp": now - 20}, {"iat": now + 29.5}, {"exp": None, "nbf": None, "iat": None}):
        request = SIGNER.request(prompt="none", request=signed(provider, SIGNER, prompt="none", **changes))
        assert error_of(await stranger.authorize(request)) == "login_required"
    for changes in ({"nbf": now + 31}, {"exp": now - 31}):
        request = SIGNER.request(request=signed(provider, SIGNER, **changes))
        assert error_of(await stranger.authorize(request)) == "invalid_request_object"


async def test_several_audiences(provider: Provider, stranger: Visitor) -> None:
    text = signed(provider, SIGNER, prompt="none", aud=["https://elsewhere.test", provider.issuer])
    assert error_of(await stranger.authorize({"client_id": "signer", "request": text})) == "login_required"


async def test_signed_by_somebody_else(provider: Provider, stranger: Visitor) -> None:
    for text in (
        signed(provider, SIGNER, key=ROGUE),
        signed(provider, SIGNER, header={"kid": "unknown"}),
        signed(provider, SIGNER)[:-8] + "AAAAAAAA",
        "e30.e30.",
        "garbage",
    ):
        assert error_of(await stranger.authorize(SIGNER.request(request=text))) == "invalid_request_object"
    text = signed(provider, WEB)
    assert error_of(await stranger.authorize(WEB.request(request=text))) == "invalid_request_object"


async def test_a_pinned_algorithm(provider: Provider, stranger: Visitor) -> None:
    for alg, expected in (("RS256", "invalid_request_object"), ("EdDSA", "invalid_request_object")):
        assert error_of(await stranger.authorize(STRICT.request(request=signed(provider, STRICT, alg)))) == expected
    assert granted(await stranger.sign_on({"client_id": "strict", "request": signed(provider, STRICT)}))


async def test_without_a_good_target_the_person_is_told_why(provider: Provider, stranger: Visitor) -> None:
    text = signed(provider, SIGNER, key=ROGUE)
    stop = await stranger.authorize({"client_id": "signer", "request": text})
    assert isinstance(stop, Page)
    assert (stop.id, stop.status) == ("error", 400)
    assert "invalid_request_object" in stop.text
    stop = await stranger.authorize({"client_id": "nobody", "request": text})
    assert isinstance(stop, Page)
    assert "invalid_client" in stop.text
    stop = await stranger.authorize({"request": text})
    assert isinstance(stop, Page)
    assert stop.status == 400


async def test_a_jti_has_one_answer(provider: Provider, stranger: Visitor) -> None:
    """Reloading a page is fine, a second code is not; without a jti nothing is counted."""
    request = SIGNER.request(request=signed(provider, SIGNER, jti="twice"))
    left = await stranger.authorize(request)
    assert granted(await stranger.sign_on(request))
    assert error_of(await stranger.authorize(request)) == "invalid_request_object"
    stop = await stranger.log_in(left)
    assert error_of(stop) == "invalid_request_object"
    for changes in ({"jti": None}, {"exp": None, "jti": "often"}):
        request = SIGNER.request(request=signed(provider, SIGNER, **changes))
        assert granted(await stranger.sign_on(request))
        assert granted(await stranger.sign_on(request))


async def test_of_32_tries_with_one_jti_one_brings_a_code(provider: Provider, stranger: Visitor) -> None:
    assert granted(await stranger.sign_on(SIGNER.request()))
    request = SIGNER.request(request=signed(provider, SIGNER))
    answers = await asyncio.gather(*(stranger.authorize(request) for _ in range(32)))
    assert sum(map(granted, answers)) == 1


async def test_an_object_that_expires_at_the_page_still_counts(provider: Provider, stranger: Visitor) -> None:
    """It was good when the browser came; the person may take a while."""
    page = await stranger.authorize({"client_id": "signer", "request": signed(provider, SIGNER)})
    provider.clock.advance(1800)
    back = await stranger.log_in(page)
    assert granted(back) or getattr(back, "id", None) == "consent"


# -- clients that sign everything


async def test_a_client_that_signs_everything(provider: Provider, stranger: Visitor) -> None:
    for method in ("GET", "POST"):
        assert error_of(await stranger.authorize(STRICT.request(), method)) == "invalid_request"
    answer = await pushed(provider, STRICT)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "changes",
    [{"exp": None}, {"nbf": None}, {"exp": 3601}, {"nbf": -3700}, {"nbf": 70}, {"exp": -40, "nbf": -60}],
    ids=str,
)
async def test_it_is_held_to_times(provider: Provider, stranger: Visitor, changes: dict[str, int | None]) -> None:
    """FAPI 2.0 Message Signing 5.3.1; changes are seconds from now."""
    now = int(provider.clock())
    placed = {name: None if value is None else now + value for name, value in changes.items()}
    text = signed(provider, STRICT, **placed)
    assert error_of(await stranger.authorize(STRICT.request(request=text))) == "invalid_request_object"
    answer = await STRICT.call(provider.http, "/par", {"request": text})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request_object")


# -- pushed


async def test_a_pushed_object(provider: Provider, stranger: Visitor) -> None:
    """RFC 9126 3; client_id in the form or by the credentials alone."""
    for form in ({}, {"client_id": "strict"}, {"state": "beside", "scope": "openid email"}):
        answer = await STRICT.call(provider.http, "/par", {"request": signed(provider, STRICT), **form})
        assert answer.status_code == 201, answer.text
        request = {"client_id": "strict", "request_uri": answer.json()["request_uri"]}
        back = await stranger.sign_on(request)
        assert back.members["state"] == "state-of-the-app"
        stop = await stranger.authorize(request)
        assert isinstance(stop, Page)
        assert stop.id == "error"


async def test_an_object_of_another_client_cannot_be_pushed(provider: Provider) -> None:
    answer = await STRICT.call(provider.http, "/par", {"request": signed(provider, SIGNER)})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request_object")


async def test_an_object_beside_a_handle_is_refused(provider: Provider, stranger: Visitor) -> None:
    request = {**SIGNER.request(), **await handle(provider, SIGNER), "request": signed(provider, SIGNER)}
    assert error_of(await stranger.authorize(request)) == "invalid_request"


# -- by reference


async def test_a_fetched_object(provider: Provider, stranger: Visitor, shelf: Shelf, fetched: App) -> None:
    uri = shelf.put("/a", signed(provider, fetched, jti="one") + "\n", content_type="text/plain")
    request = {"client_id": "fetched", "request_uri": uri}
    back = await stranger.sign_on(request)
    assert (back.to, granted(back)) == (fetched.redirect_uri, True)
    assert granted(await stranger.sign_on(request)), "one document may be meant for many"
    assert shelf.asked.count("/a") == 1, "kept, and read by no page again"
    provider.clock.advance(59)
    await stranger.authorize(request)
    assert shelf.asked.count("/a") == 1
    provider.clock.advance(2)
    await stranger.authorize(request)
    assert shelf.asked.count("/a") == 2


@pytest.mark.parametrize(("said", "seconds"), [("max-age=600", 600), ("no-store", LEAST), ("max-age=999999", 3600)])
async def test_how_long_it_is_kept(
    provider: Provider, stranger: Visitor, shelf: Shelf, fetched: App, said: str, seconds: float
) -> None:
    text = signed(provider, fetched, exp=None, prompt="none")
    request = {"client_id": "fetched", "request_uri": shelf.put("/b", text, cache_control=said)}
    provider.clock.advance(10_000)  # past what stood there before
    before = len(shelf.asked)
    for wait, fetches in ((0, 1), (seconds - 1, 1), (2, 2)):
        provider.clock.advance(wait)
        assert error_of(await stranger.authorize(request)) == "login_required"
        assert len(shelf.asked) - before == fetches


async def test_a_fragment_says_that_it_changed(
    provider: Provider, stranger: Visitor, shelf: Shelf, fetched: App
) -> None:
    uri = shelf.put("/d", signed(provider, fetched, prompt="none"))
    for fragment in ("#first", "#second", ""):
        request = {"client_id": "fetched", "request_uri": uri + fragment}
        assert error_of(await stranger.authorize(request)) == "login_required"
        provider.clock.advance(LEAST)
    assert shelf.asked.count("/d") == 3
    for number in range(20):
        await stranger.authorize({"client_id": "fetched", "request_uri": f"{uri}#{number}"})
    assert shelf.asked.count("/d") == 4, "strangers do not make us ask again and again"


async def test_many_at_once_are_one_fetch(provider: Provider, shelf: Shelf, fetched: App) -> None:
    request = {"client_id": "fetched", "request_uri": shelf.put("/many", signed(provider, fetched, prompt="none"))}
    visitors = [Visitor(provider) for _ in range(16)]
    answers = await asyncio.gather(*(visitor.authorize(request) for visitor in visitors))
    assert {error_of(answer) for answer in answers} == {"login_required"}
    assert shelf.asked.count("/many") == 1


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [("/gone", 410, "x"), ("/moved", 302, ""), ("/large", 200, "e30." * 5000), ("/missing", 404, "")],
)
async def test_no_document_there(
    provider: Provider, stranger: Visitor, shelf: Shelf, fetched: App, path: str, status: int, text: str
) -> None:
    uri = shelf.put(path, text, status, location=f"{shelf.base}/elsewhere")
    for _ in range(5):
        assert error_of(await stranger.authorize(fetched.request(request_uri=uri))) == "invalid_request_uri"
    assert shelf.asked.count(path) == 1, "a failure is kept for a moment too"
    assert "/elsewhere" not in shelf.asked
    shelf.put(path, signed(provider, fetched, prompt="none"))
    provider.clock.advance(LEAST)
    assert error_of(await stranger.authorize({"client_id": "fetched", "request_uri": uri})) == "login_required"


async def test_something_else_there(provider: Provider, stranger: Visitor, shelf: Shelf, fetched: App) -> None:
    request = fetched.request(request_uri=shelf.put("/words", "<html>ü</html>"))
    assert error_of(await stranger.authorize(request)) == "invalid_request_object"


async def test_what_is_not_registered_is_not_fetched(
    provider: Provider, stranger: Visitor, shelf: Shelf, fetched: App
) -> None:
    before = list(shelf.asked)
    text = signed(provider, fetched)
    for path in ("/other", "/a?x", "/a/", "/A"):
        uri = shelf.put(path, text)
        assert error_of(await stranger.authorize(fetched.request(request_uri=uri))) == "invalid_request_uri"
    for app in (SIGNER, WEB):
        request = app.request(request_uri=shelf.base + "/a")
        assert error_of(await stranger.authorize(request)) == "invalid_request_uri"
    long = fetched.request(request_uri=f"{shelf.base}/a#{'f' * 600}")
    assert error_of(await stranger.authorize(long)) == "invalid_request_uri"
    assert shelf.asked == before


async def test_discovery(provider: Provider) -> None:
    document = (await provider.http.get("/.well-known/openid-configuration")).json()
    assert document["request_parameter_supported"] is True
    assert document["request_uri_parameter_supported"] is True
    assert document["require_request_uri_registration"] is True
    assert document["require_signed_request_object"] is False
    assert document["request_object_signing_alg_values_supported"] == list(KEYS)
