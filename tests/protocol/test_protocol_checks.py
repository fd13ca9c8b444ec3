"""The checks of an authorization request: parameters in, what is settled or the refusal out."""

from __future__ import annotations

from typing import Any

import pytest
from protocol_values import CHALLENGE, ISSUER, client, draft, rules, target

from idp.features.implicit_and_hybrid import IMPLICIT_AND_HYBRID
from idp.protocol import checks
from idp.protocol.errors import Refused, Sent, Shown
from idp.protocol.front_channel import id_token_rules, without_offline_access
from idp.protocol.parameters import Parameters
from idp.protocol.request import Asked, Check, Draft, find_target, validate

PUBLIC = client(token_endpoint_auth_method="none")
EXEMPT = client(require_pkce=False)
HYBRID = "code id_token token"
MODES = frozenset({"query", "fragment", "form_post", "jwt", "query.jwt", "form_post.jwt"})
S256 = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}


def in_mode(mode: str, kind: str = "code", redirect_uri: str = "https://app.test/cb") -> Draft:
    sent = {"response_mode": mode, "response_type": kind, "redirect_uri": redirect_uri}
    return Draft(Parameters(sent.items()), client(), rules(response_modes=MODES))


def typed(kind: str) -> Draft:
    offered = rules(response_types=frozenset({"code", HYBRID}))
    return Draft(Parameters([("response_type", kind)]), client(response_types=(HYBRID,)), offered)


SETTLED: list[tuple[str, Check, Any, dict[str, Any]]] = [
    ("response_type", checks.response_type, draft({"response_type": "code"}), {"response_type": "code"}),
    ("response_mode absent", checks.response_mode, draft({}), {}),
    ("response_mode query", checks.response_mode, draft({"response_mode": "query"}), {}),
    ("fragment for a code", checks.response_mode, in_mode("fragment"), {}),
    ("jwt to an app", checks.response_mode, in_mode("jwt", redirect_uri="com.app.x:/cb"), {}),
    ("form_post to this machine", checks.response_mode, in_mode("form_post", redirect_uri="http://127.0.0.1:5/cb"), {}),
    ("form_post of an ID token", checks.response_mode, in_mode("form_post", "id_token"), {}),
    ("response_type in any order", checks.response_type, typed("token code id_token"), {"response_type": HYBRID}),
    ("no pkce without a code", checks.pkce, draft({}, PUBLIC, response_type="id_token"), {"code_challenge": None}),
    ("an ID token alone", id_token_rules, draft({}, response_type="id_token", nonce="n"), {}),
    ("code token without nonce", id_token_rules, draft({}, response_type="code token", nonce=None, scope=()), {}),
    (
        "no offline_access without a code",
        without_offline_access,
        draft({}, response_type="id_token token", scope=("openid", "offline_access")),
        {"scope": ("openid",)},
    ),
    (
        "offline_access with a code",
        without_offline_access,
        draft({}, response_type="code token", scope=("openid", "offline_access")),
        {"scope": ("openid", "offline_access")},
    ),
    ("no request objects", checks.request_objects, draft({"claims": "{}"}), {}),
    ("text of the longest size", checks.text_sizes, draft({"nonce": "n" * 4096}), {}),
    ("scope", checks.scope, draft({"scope": "openid profile"}), {"scope": ("openid", "profile")}),
    ("scope twice", checks.scope, draft({"scope": "openid openid"}), {"scope": ("openid",)}),
    ("scope unknown beside known", checks.scope, draft({"scope": "openid what"}), {"scope": ("openid",)}),
    ("scope absent", checks.scope, draft({}), {"scope": ()}),
    ("scope of spaces", checks.scope, draft({"scope": "  openid   email "}), {"scope": ("openid", "email")}),
    (
        "offline_access where refresh tokens are",
        checks.offline_access,
        draft({}, scope=("openid", "offline_access")),
        {"scope": ("openid", "offline_access")},
    ),
    (
        "offline_access where none are",
        checks.offline_access,
        draft({}, client(grant_types=("authorization_code",)), scope=("openid", "offline_access")),
        {"scope": ("openid",)},
    ),
    ("no resource", checks.resources, draft({}), {"resources": ()}),
    ("the issuer is always one", checks.resources, draft([("resource", ISSUER)]), {"resources": (ISSUER,)}),
    (
        "a resource twice",
        checks.resources,
        draft([("resource", "https://api.test"), ("resource", "https://api.test")]),
        {"resources": ("https://api.test",)},
    ),
    ("pkce", checks.pkce, draft(S256), {"code_challenge": CHALLENGE}),
    ("pkce public", checks.pkce, draft(S256, PUBLIC), {"code_challenge": CHALLENGE}),
    ("pkce or nonce", checks.pkce, draft({"nonce": "n"}), {"code_challenge": None}),
    ("pkce exempt", checks.pkce, draft({}, EXEMPT), {"code_challenge": None}),
    ("nonce", checks.nonce, draft({"nonce": "n"}), {"nonce": "n"}),
    ("prompt", checks.prompt, draft({"prompt": "login consent"}), {"prompt": frozenset({"login", "consent"})}),
    ("prompt none", checks.prompt, draft({"prompt": "none"}), {"prompt": frozenset({"none"})}),
    ("prompt absent", checks.prompt, draft({}), {"prompt": frozenset()}),
    ("max_age", checks.max_age, draft({"max_age": "0"}), {"max_age": 0}),
    ("max_age of the client", checks.max_age, draft({}, client(default_max_age=60)), {"max_age": 60}),
    ("max_age sent wins", checks.max_age, draft({"max_age": "90"}, client(default_max_age=60)), {"max_age": 90}),
    (
        "hints",
        checks.hints,
        draft({"login_hint": "a", "acr_values": "x y", "ui_locales": "de en-GB <b>", "display": "page"}),
        {"login_hint": "a", "acr_values": ("x", "y"), "ui_locales": ("de", "en-GB"), "display": "page"},
    ),
    ("state", checks.state_and_uri_characters, draft({"state": "\u00fc a"}), {}),
]

REFUSED: list[tuple[str, Check, Any, str]] = [
    ("response_type absent", checks.response_type, draft({}), "invalid_request"),
    ("response_type token", checks.response_type, draft({"response_type": "token"}), "unsupported_response_type"),
    ("response_type Code", checks.response_type, draft({"response_type": "Code"}), "unsupported_response_type"),
    (
        "response_type of others",
        checks.response_type,
        draft({"response_type": "code"}, client(response_types=("none",))),
        "unauthorized_client",
    ),
    ("response_mode", checks.response_mode, draft({"response_mode": "fragment"}), "invalid_request"),
    *(
        (f"{mode} for {kind}", checks.response_mode, in_mode(mode, kind), "invalid_request")
        for mode in ("query", "query.jwt")
        for kind in ("id_token", "id_token token", "code token", "token code", "code id_token token")
    ),
    *(
        (f"{mode} to an app", checks.response_mode, in_mode(mode, redirect_uri="com.app.x:/cb"), "invalid_request")
        for mode in ("form_post", "form_post.jwt")
    ),
    ("no pkce in a hybrid", checks.pkce, draft({"nonce": "n"}, PUBLIC, response_type=HYBRID), "invalid_request"),
    ("no nonce", id_token_rules, draft({}, response_type="code id_token", nonce=None), "invalid_request"),
    ("no openid", id_token_rules, draft({}, response_type="id_token", nonce="n", scope=("email",)), "invalid_request"),
    ("request", checks.request_objects, draft({"request": "x"}), "request_not_supported"),
    ("request_uri", checks.request_objects, draft({"request_uri": "x"}), "request_uri_not_supported"),
    ("registration", checks.request_objects, draft({"registration": "x"}), "registration_not_supported"),
    ("too long", checks.text_sizes, draft({"nonce": "n" * 4097}), "invalid_request"),
    ("resource too long", checks.text_sizes, draft([("resource", "r" * 4097)]), "invalid_request"),
    ("scope of others", checks.scope, draft({"scope": "openid orders"}), "invalid_scope"),
    ("scope unknown alone", checks.scope, draft({"scope": "what"}), "invalid_scope"),
    ("scope in capitals", checks.scope, draft({"scope": "OPENID"}), "invalid_scope"),
    ("resource of others", checks.resources, draft([("resource", "https://other.test")]), "invalid_target"),
    ("resource unknown", checks.resources, draft([("resource", "https://what.test")]), "invalid_target"),
    ("resource with fragment", checks.resources, draft([("resource", "https://api.test#x")]), "invalid_target"),
    ("nine resources", checks.resources, draft([("resource", "https://api.test")] * 9), "invalid_target"),
    ("no pkce, public", checks.pkce, draft({}, PUBLIC), "invalid_request"),
    ("a nonce does not save a public client", checks.pkce, draft({"nonce": "n"}, PUBLIC), "invalid_request"),
    ("no pkce, no nonce", checks.pkce, draft({}), "invalid_request"),
    ("a nonce without openid is none", checks.pkce, draft({"nonce": "n"}, scope=("profile",)), "invalid_request"),
    ("exempt, but plain", checks.pkce, draft({**S256, "code_challenge_method": "plain"}, EXEMPT), "invalid_request"),
    ("method absent", checks.pkce, draft({"code_challenge": CHALLENGE}), "invalid_request"),
    ("method alone", checks.pkce, draft({"code_challenge_method": "S256", "nonce": "n"}), "invalid_request"),
    ("42 characters", checks.pkce, draft({**S256, "code_challenge": CHALLENGE[1:]}), "invalid_request"),
    ("44 characters", checks.pkce, draft({**S256, "code_challenge": CHALLENGE + "A"}), "invalid_request"),
    ("padded", checks.pkce, draft({**S256, "code_challenge": CHALLENGE[1:] + "="}), "invalid_request"),
    ("other letters", checks.pkce, draft({**S256, "code_challenge": "\u00fc" * 43}), "invalid_request"),
    ("newline at the end", checks.pkce, draft({**S256, "code_challenge": CHALLENGE + "\n"}), "invalid_request"),
    ("prompt none login", checks.prompt, draft({"prompt": "none login"}), "invalid_request"),
    ("prompt unknown", checks.prompt, draft({"prompt": "create"}), "invalid_request"),
    ("max_age negative", checks.max_age, draft({"max_age": "-1"}), "invalid_request"),
    ("max_age with sign", checks.max_age, draft({"max_age": "+1"}), "invalid_request"),
    ("max_age fraction", checks.max_age, draft({"max_age": "1.5"}), "invalid_request"),
    ("max_age huge", checks.max_age, draft({"max_age": "1" * 11}), "invalid_request"),
    ("max_age other digits", checks.max_age, draft({"max_age": "\u0663"}), "invalid_request"),
    ("state with a newline", checks.state_and_uri_characters, draft({"state": "a\r\nb"}), "invalid_request"),
]


@pytest.mark.parametrize(("check", "given", "settled"), [r[1:] for r in SETTLED], ids=[r[0] for r in SETTLED])
def test_settled(check: Check, given: Any, settled: dict[str, Any]) -> None:
    assert check(given) == settled


@pytest.mark.parametrize(("check", "given", "error"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused(check: Check, given: Any, error: str) -> None:
    with pytest.raises(Refused) as refusal:
        check(given)
    assert refusal.value.error == error
    story = refusal.value.story()
    assert {"rule", "received", "expected", "mend"} <= story.keys(), "the operator learns all four"
    assert all(" " <= c <= "~" and c not in '"\\' for c in story["description"]), "RFC 6749 5.2"


def test_every_check_is_in_one_of_the_tables() -> None:
    looked_at = {row[1] for row in SETTLED} | {row[1] for row in REFUSED}
    assert looked_at == {*checks.CORE_CHECKS, *IMPLICIT_AND_HYBRID.checks}


# -- the checks together


def test_a_whole_request() -> None:
    sent = {"response_type": "code", "scope": "openid email", "nonce": "n", **S256}
    found = validate(Asked.plainly(Parameters(sent.items())), target(), rules(), checks.CORE_CHECKS)
    assert (found.scope, found.nonce, found.code_challenge) == (("openid", "email"), "n", CHALLENGE)
    assert found.openid


def test_the_first_refusal_in_list_order_is_sent() -> None:
    wrong = {"response_type": "token", "scope": "what", "prompt": "none login"}
    with pytest.raises(Sent) as refusal:
        validate(Asked.plainly(Parameters(wrong.items())), target(), rules(), checks.CORE_CHECKS)
    assert refusal.value.error == "unsupported_response_type"


# -- before anything is sent anywhere


@pytest.mark.parametrize(
    ("parameters", "app", "error"),
    [
        ({}, None, "invalid_request"),
        ({"client_id": "nobody"}, None, "invalid_client"),
        ({"client_id": "app"}, client(disabled=True), "invalid_client"),
        ({"client_id": "app"}, client(), "invalid_request"),
        ({"client_id": "app", "redirect_uri": "https://app.test/other"}, client(), "invalid_request"),
        ({"client_id": "app", "redirect_uri": "https://app.test/cb"}, client(redirect_uris=()), "invalid_request"),
    ],
)
def test_a_doubtful_target_is_shown(parameters: dict[str, str], app: Any, error: str) -> None:
    with pytest.raises(Shown) as refusal:
        find_target(Parameters(parameters.items()), app)
    assert refusal.value.error == error


def test_the_page_names_the_nearest_registered_address() -> None:
    app = client(redirect_uris=("https://other.test/", "https://app.test/cb"))
    with pytest.raises(Shown) as refusal:
        find_target(Parameters([("client_id", "app"), ("redirect_uri", "https://app.test/cb/")]), app)
    assert (refusal.value.received, refusal.value.expected) == ("https://app.test/cb/", "https://app.test/cb")


def test_a_good_target() -> None:
    sent = [("client_id", "app"), ("redirect_uri", "https://app.test/cb"), ("state", "s")]
    assert find_target(Parameters(sent), app := client()) == target(app)
