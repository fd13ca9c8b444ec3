"""The rules of the FAPI 2.0 Security Profile, each as a table of given and expected."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from idp.protocol import fapi2
from idp.protocol.client import Client
from idp.protocol.errors import Refused
from idp.protocol.parameters import Parameters
from idp.protocol.request import PUSHED, Draft, Rules

NONE: frozenset[str] = frozenset()
RULES = Rules("https://op.test", NONE, {}, NONE, NONE, NONE)
FIT = fapi2.applied(
    Client(
        client_id="bank",
        profile="fapi2",
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [{}]},
        redirect_uris=("https://bank.test/cb",),
        id_token_signed_response_alg="ES256",
    ),
    algorithms=("RS256", "PS256"),
)


def flawed(**changes: Any) -> list[str]:
    return [flaw.member for flaw in fapi2.unfit(msgspec.structs.replace(FIT, **changes))]


@pytest.mark.parametrize(
    ("changes", "members"),
    [
        ({}, []),
        ({"profile": None, "token_endpoint_auth_method": "none"}, []),
        ({"token_endpoint_auth_method": "none"}, ["token_endpoint_auth_method"]),
        ({"token_endpoint_auth_method": "client_secret_basic"}, ["token_endpoint_auth_method"]),
        ({"id_token_signed_response_alg": "RS256"}, ["id_token_signed_response_alg"]),
        ({"access_token_signed_response_alg": "RS256"}, ["access_token_signed_response_alg"]),
        ({"token_endpoint_auth_signing_alg": "RS256"}, ["token_endpoint_auth_signing_alg"]),
        ({"token_endpoint_auth_signing_alg": "EdDSA"}, []),
        ({"request_object_signing_alg": "RS256"}, ["request_object_signing_alg"]),
        ({"userinfo_signed_response_alg": "RS256"}, ["userinfo_signed_response_alg"]),
        ({"userinfo_signed_response_alg": "PS256"}, []),
        ({"response_types": ("code", "code id_token")}, ["response_types"]),
        ({"redirect_uris": ("http://localhost/cb",)}, ["redirect_uris"]),
        ({"redirect_uris": ("http://127.0.0.1/cb",), "application_type": "native"}, []),
        ({"redirect_uris": ("com.example.app:/cb",), "application_type": "native"}, []),
    ],
)
def test_who_keeps_it(changes: dict[str, Any], members: list[str]) -> None:
    assert flawed(**changes) == members


def test_what_it_fixes_of_a_client() -> None:
    loose = Client(client_id="c", require_pkce=False, assertion_audience="token_endpoint")
    assert fapi2.applied(loose) is loose
    for kept in (
        fapi2.applied(loose, "fapi2"),
        fapi2.applied(msgspec.structs.replace(loose, profile="fapi2")),
    ):
        assert (kept.profile, kept.dpop_bound_access_tokens, kept.require_pkce) == ("fapi2", True, True)
        assert (kept.refresh_rotation, kept.assertion_audience) == (False, "issuer")
        assert kept.require_pushed_authorization_requests


@pytest.mark.parametrize(
    ("named", "algorithms", "signed"),
    [
        ("RS256", ("RS256", "ES256", "PS256"), "ES256"),
        ("RS256", ("RS256", "PS256"), "PS256"),
        ("EdDSA", ("RS256", "ES256"), "EdDSA"),
        ("RS256", ("RS256",), "RS256"),
    ],
)
def test_access_tokens_are_signed_as_it_allows(named: str, algorithms: tuple[str, ...], signed: str) -> None:
    client = msgspec.structs.replace(
        FIT, access_token_signed_response_alg=named, authorization_signed_response_alg=named
    )
    kept = fapi2.applied(client, "none", algorithms)
    assert kept.access_token_signed_response_alg == kept.authorization_signed_response_alg == signed


def draft(client: Client, *via: str, **settled: Any) -> Draft:
    return Draft(Parameters(()), client, RULES, settled, frozenset(via))


GOOD = {"response_type": "code", "code_challenge": "c" * 43}


def test_a_pushed_request_with_pkce_for_a_code() -> None:
    assert fapi2.check(draft(FIT, PUSHED, **GOOD)) == {}
    assert fapi2.check(draft(Client(client_id="other"))) == {}


@pytest.mark.parametrize(
    ("via", "changes", "error", "words"),
    [
        ((), {}, "invalid_request", "pushed"),
        ((PUSHED,), {"response_type": "code id_token"}, "invalid_request", "response_type"),
        ((PUSHED,), {"code_challenge": None}, "invalid_request", "PKCE"),
    ],
)
def test_other_requests_are_refused(via: tuple[str, ...], changes: dict[str, Any], error: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as refused:
        fapi2.check(draft(FIT, *via, **GOOD | changes))
    assert refused.value.error == error


def test_a_client_that_cannot_keep_it_is_told_why() -> None:
    public = msgspec.structs.replace(FIT, token_endpoint_auth_method="none")
    with pytest.raises(Refused) as refused:
        fapi2.check(draft(public, PUSHED, **GOOD))
    assert refused.value.error == "unauthorized_client"
    assert "token_endpoint_auth_method" in refused.value.received


@pytest.mark.parametrize(
    ("audience", "taken", "elsewhere"),
    [
        ("https://op.test", True, True),
        (["https://op.test"], False, True),
        (["https://op.test", "https://other.test"], False, False),
        ("https://op.test/token", False, False),
        ("https://op.test/par", False, False),
        (None, False, False),
        ({"https://op.test": 1}, False, False),
    ],
)
def test_an_assertion_names_the_issuer_as_a_plain_text(audience: object, taken: bool, elsewhere: bool) -> None:
    other = Client(client_id="other")
    assert fapi2.acceptable_audience(audience, FIT, ("https://op.test",)) is taken
    assert fapi2.acceptable_audience(audience, other, ("https://op.test",)) is elsewhere


def test_codes_live_a_minute_at_most() -> None:
    assert [fapi2.code_lifetime(FIT, seconds) for seconds in (30, 60, 600)] == [30, 60, 60]
    assert fapi2.code_lifetime(Client(client_id="other"), 600) == 600


def test_the_metadata_of_a_whole_server() -> None:
    document = {
        "dpop_signing_alg_values_supported": ["ES256", "RS256"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt", "none"],
        "authorization_endpoint": "https://op.test/authorize",
        "response_types_supported": ["code", "code id_token"],
        "pushed_authorization_request_endpoint": "https://op.test/par",
        "require_pushed_authorization_requests": False,
        "issuer": "https://op.test",
    }
    assert fapi2.narrowed(document) == document | {
        "dpop_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_signing_alg_values_supported": ["PS256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "response_types_supported": ["code"],
        "require_pushed_authorization_requests": True,
    }
