"""What may be registered (RU-02, RU-08, RU-10, RU-12, SF-07; RFC 7591 2)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from idp.jose import LocalSigner, generate_private_key
from idp.protocol.client import Client, Resource, Scope
from idp.protocol.registration import client_flaws, secret_problem
from idp.protocol.registration_resources import resource_flaws, scope_flaws
from idp.protocol.registration_uris import (
    origin_problem,
    redirect_uri_problem,
    resource_problem,
    web_uri_problem,
)

CLIENT = Client(client_id="shop", redirect_uris=("https://shop.example/cb",), secret_hashes=(b"\1" * 32,))

WEB = [
    "https://rp.example/cb",
    "https://rp.example:8443/cb?fixed=1&x=%20",
    "https://[2001:db8::1]/cb",
    "https://rp.example",
    "http://localhost:3000/cb",
    "http://app-a.localhost:8001/callback",
    "http://127.0.0.1/cb",
    "http://[::1]:1/cb",
]
NOWHERE = [
    "",
    "/cb",
    "rp.example/cb",
    "//rp.example/cb",
    "http://rp.example/cb",
    "http://localhost.evil.example/cb",
    "http://127.0.0.1.nip.io/cb",
    "http://127.0.0.1@evil.example/cb",
    "http://127.0.0.1:80@evil.example/cb",
    "https://rp.example@evil.example/cb",
    "https://rp.example/cb#",
    "https://rp.example/cb#x",
    "https://rp.example/cb\n",
    "https://rp.example/\r\nSet-Cookie:x=1",
    "https://rp.example/\tcb",
    "https://rp.example/cb\x00",
    " https://rp.example/cb",
    "https://rp.example\\@evil.example/cb",
    "https://rp.example/cb d",
    "https://rp.example/cbé",
    'https://rp.example/"><script>',
    "https://*.rp.example/cb",
    "https://rp.example/*",
    "https://rp.example/a/../cb",
    "https://rp.example/./cb",
    "https://rp.example:99999/cb",
    "https://[::1/cb",
    "https:///cb",
    "https:cb",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "javascript://rp.example/%0aalert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://rp.example/1",
    "https://rp.example/" + "a" * 2000,
]
PRIVATE = ["com.example.app:/cb", "com.example.app:/oauth2redirect/x?y=1", "com.example.app://cb"]


@pytest.mark.parametrize("uri", WEB)
@pytest.mark.parametrize("kind", ["web", "native"])
def test_https_and_this_machine_may_be_answered_to(uri: str, kind: str) -> None:
    assert redirect_uri_problem(uri, kind) is None
    assert web_uri_problem(uri) is None


@pytest.mark.parametrize("uri", NOWHERE)
def test_nothing_else_may(uri: str) -> None:
    for problem in (redirect_uri_problem(uri, "web"), redirect_uri_problem(uri, "native"), web_uri_problem(uri)):
        assert problem is not None
        assert problem.received
        assert problem.expected
        assert problem.mend
        assert str(problem).isprintable() or str(problem).count("\n") == 3


@pytest.mark.parametrize("uri", PRIVATE)
def test_only_a_native_app_has_its_own_scheme(uri: str) -> None:
    assert redirect_uri_problem(uri, "native") is None
    assert redirect_uri_problem(uri, "web") is not None
    assert web_uri_problem(uri) is not None


@pytest.mark.parametrize("uri", ["app:/cb", "myapp://cb", "com.example.app:/cb#x", "com.example.app://user@cb"])
def test_a_scheme_somebody_else_could_own_is_refused(uri: str) -> None:
    assert redirect_uri_problem(uri, "native") is not None


@pytest.mark.parametrize("origin", ["https://spa.example", "http://localhost:5173", "https://spa.example:8443"])
def test_origins_as_browsers_send_them(origin: str) -> None:
    assert origin_problem(origin) is None


@pytest.mark.parametrize(
    ("origin", "mended"),
    [
        ("https://spa.example/", "https://spa.example"),
        ("https://SPA.example", "https://spa.example"),
        ("https://spa.example:443", "https://spa.example"),
        ("https://spa.example/app", "https://spa.example"),
        ("null", ""),
        ("*", ""),
        ("http://spa.example", "https"),
    ],
)
def test_other_origins_would_never_match(origin: str, mended: str) -> None:
    problem = origin_problem(origin)
    assert problem is not None
    assert mended in problem.mend


@pytest.mark.parametrize(
    ("uri", "good"),
    [
        ("https://api.example", True),
        ("urn:example:api", True),
        ("http://api.internal/v1", True),
        ("api", False),
        ("https://api.example/#x", False),
        ("javascript:x", False),
        ("https:", False),
    ],
)
def test_a_resource_is_named_by_an_absolute_uri(uri: str, good: bool) -> None:
    assert (resource_problem(uri) is None) is good


def test_a_good_client_has_no_flaw() -> None:
    assert client_flaws(CLIENT) == ()


SYMMETRIC = {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}
ONE_KEY = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}
PRIVATE_KEY = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "x"}]}


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"client_id": "with space"}, "client_id"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": "x" * 256}, "client_id"),
        ({"client_name": "Bank\u202egro.live"}, "client_name"),
        ({"client_name": "two\nlines"}, "client_name"),
        ({"client_name": "x" * 201}, "client_name"),
        ({"redirect_uris": ()}, "redirect_uris"),
        ({"redirect_uris": ("https://a.example", "https://a.example")}, "redirect_uris"),
        ({"redirect_uris": tuple(f"https://a.example/{n}" for n in range(101))}, "redirect_uris"),
        ({"post_logout_redirect_uris": ("javascript:x",)}, "post_logout_redirect_uris"),
        ({"backchannel_logout_uri": "http://10.0.0.1/logout"}, "backchannel_logout_uri"),
        ({"backchannel_logout_session_required": True}, "backchannel_logout_session_required"),
        ({"logo_uri": "data:image/png;base64,x"}, "logo_uri"),
        ({"client_uri": "javascript:x"}, "client_uri"),
        ({"policy_uri": "vbscript:x"}, "policy_uri"),
        ({"tos_uri": "javascript:x"}, "tos_uri"),
        ({"initiate_login_uri": "http://rp.example"}, "initiate_login_uri"),
        ({"allowed_origins": ("*",)}, "allowed_origins"),
        ({"grant_types": ("password",)}, "grant_types"),
        ({"grant_types": ("implicit", "authorization_code")}, "grant_types"),
        ({"grant_types": ()}, "grant_types"),
        ({"grant_types": ("client_credentials",)}, "grant_types"),
        ({"response_types": ("token",)}, "response_types"),
        ({"scope": 'open"id'}, "scope"),
        ({"scope": "a  b"}, "scope"),
        ({"refresh": "session"}, "refresh"),
        ({"secret_hashes": ()}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "none"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "private_key_jwt", "secret_hashes": ()}, "jwks"),
        ({"jwks": SYMMETRIC}, "jwks"),
        ({"jwks": PRIVATE_KEY}, "jwks"),
        ({"jwks": {"keys": []}}, "jwks"),
        ({"jwks": {"keys": "x"}}, "jwks"),
        ({"jwks": {}}, "jwks"),
        ({"token_endpoint_auth_signing_alg": "HS256"}, "token_endpoint_auth_signing_alg"),
        ({"jwks": ONE_KEY, "request_object_signing_alg": "none"}, "request_object_signing_alg"),
        ({"jwks": ONE_KEY, "request_object_signing_alg": "HS256"}, "request_object_signing_alg"),
        ({"request_object_signing_alg": "ES256"}, "jwks"),
        ({"require_signed_request_object": True}, "jwks"),
        ({"jwks": ONE_KEY, "request_uris": ("http://rp.example/r",)}, "request_uris"),
        ({"jwks": ONE_KEY, "request_uris": ("file:///etc/passwd",)}, "request_uris"),
        ({"jwks": ONE_KEY, "request_uris": ("urn:ietf:params:oauth:request_uri:x",)}, "request_uris"),
        ({"jwks": ONE_KEY, "request_uris": (f"https://rp.example/{'r' * 500}",)}, "request_uris"),
        ({"jwks": ONE_KEY, "request_uris": ("https://rp.example/r#1", "https://rp.example/r#1")}, "request_uris"),
        ({"id_token_signed_response_alg": "none"}, "id_token_signed_response_alg"),
        ({"id_token_signed_response_alg": "HS256"}, "id_token_signed_response_alg"),
        ({"access_token_signed_response_alg": "PS256"}, "access_token_signed_response_alg"),
        ({"authorization_signed_response_alg": "none"}, "authorization_signed_response_alg"),
        ({"resources": ("api",)}, "resources"),
        ({"audiences": ("#",)}, "audiences"),
        ({"refresh_grace": 601}, "refresh_grace"),
        ({"refresh_grace": -1}, "refresh_grace"),
        ({"refresh_grace": float("nan")}, "refresh_grace"),
        ({"access_token_lifetime": 0}, "access_token_lifetime"),
        ({"access_token_lifetime": 86_401}, "access_token_lifetime"),
        ({"default_max_age": -1}, "default_max_age"),
    ],
)
def test_each_flaw_is_found_at_its_member(changes: dict[str, Any], member: str) -> None:
    flaws = client_flaws(msgspec.structs.replace(CLIENT, **changes))
    assert [flaw.member for flaw in flaws] == [member]
    assert flaws[0].error == ("invalid_redirect_uri" if member == "redirect_uris" else "invalid_client_metadata")


def test_a_bad_redirect_uri_has_its_registered_word_and_its_place() -> None:
    [flaw] = client_flaws(msgspec.structs.replace(CLIENT, redirect_uris=("https://a.example", "javascript:x")))
    assert (flaw.error, flaw.index) == ("invalid_redirect_uri", 1)


def test_a_public_client_cannot_be_what_needs_a_secret() -> None:
    public = msgspec.structs.replace(CLIENT, token_endpoint_auth_method="none", secret_hashes=())
    assert client_flaws(public) == ()
    for changes in (
        {"grant_types": ("client_credentials",), "redirect_uris": ()},
        {"require_pkce": False},
        {"audiences": ("https://api.example",)},
    ):
        assert len(client_flaws(msgspec.structs.replace(public, **changes))) == 1


def test_private_key_jwt_with_a_public_key_is_good() -> None:
    jwk = dict(LocalSigner(generate_private_key("ES256"), "k", "ES256").jwk())
    client = msgspec.structs.replace(
        CLIENT,
        token_endpoint_auth_method="private_key_jwt",
        token_endpoint_auth_signing_alg="ES256",
        secret_hashes=(),
        jwks={"keys": [jwk]},
    )
    assert client_flaws(client) == ()


def test_a_service_needs_no_redirect_uri() -> None:
    service = msgspec.structs.replace(CLIENT, redirect_uris=(), grant_types=("client_credentials",), scope="")
    assert client_flaws(service) == ()


def test_what_this_server_has_decides() -> None:
    client = msgspec.structs.replace(
        CLIENT, id_token_signed_response_alg="EdDSA", grant_types=("authorization_code", "x")
    )
    assert len(client_flaws(client)) == 2
    assert client_flaws(client, algorithms=("RS256", "EdDSA"), grant_types=("authorization_code", "x")) == ()


@pytest.mark.parametrize(
    ("secret", "good"), [("x" * 16, True), ("x" * 15, False), ("with space " * 3, False), ("é" * 20, False)]
)
def test_secrets_are_long_and_their_text_is_not_repeated(secret: str, good: bool) -> None:
    problem = secret_problem(secret)
    assert (problem is None) is good
    assert problem is None or secret not in str(problem)


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({}, None),
        ({"name": "openid"}, "name"),
        ({"name": "offline_access"}, "name"),
        ({"name": "two words"}, "name"),
        ({"name": ""}, "name"),
        ({"claims": ("emial",)}, "claims"),
        ({"description": "a\x1b[31mb"}, "description"),
    ],
)
def test_scopes(changes: dict[str, Any], member: str | None) -> None:
    scope = msgspec.structs.replace(Scope(name="orders", description="See orders", claims=("email",)), **changes)
    assert [flaw.member for flaw in scope_flaws(scope)] == ([member] if member else [])


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({}, None),
        ({"uri": "api"}, "uri"),
        ({"scopes": ("read", "two words")}, "scopes"),
        ({"access_token_signed_response_alg": "HS256"}, "access_token_signed_response_alg"),
        ({"access_token_lifetime": 0}, "access_token_lifetime"),
    ],
)
def test_resources(changes: dict[str, Any], member: str | None) -> None:
    resource = msgspec.structs.replace(Resource(uri="https://api.example", scopes=("read",)), **changes)
    flaws = resource_flaws(resource)
    assert [flaw.member for flaw in flaws] == ([member] if member else [])
    assert member != "scopes" or flaws[0].index == 1
