"""Points 1 to 9: what discovery and the key document say. Each test names the suite's class."""

from __future__ import annotations

import re
from typing import Any

import pytest
from preflight_support import Tried
from registered_metadata import REGISTERED
from support import header_of

from idp.testing import Provider
from idp.web.locale import catalogues
from idp.web.pages import templates_root

pytestmark = pytest.mark.anyio

# RFC 5646 2.1.1: how a language tag is written.
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


async def test_01_the_issuer_is_the_address_without_its_well_known_part(tried: Tried) -> None:
    """CheckDiscEndpointIssuer."""
    assert tried.metadata["issuer"] == tried.provider.issuer
    assert re.fullmatch(r"https://[^?#]*[^/?#]", tried.metadata["issuer"])
    assert (await tried.id_token())["iss"] == tried.metadata["issuer"]


async def test_02_every_member_is_a_registered_one(tried: Tried) -> None:
    """CheckForUnexpectedParametersInServerMetadata, ValidateServerMetadataAgainstSchema."""
    assert tried.metadata.keys() <= REGISTERED
    for name, value in tried.metadata.items():
        if name.endswith(("_supported", "_endpoint", "_uri")):
            assert isinstance(value, (list, bool, str)), name
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(f"{tried.provider.issuer}/"), name
        if isinstance(value, list):
            assert value, f"{name}: a list is left out rather than empty"
            assert all(isinstance(item, str) for item in value), name
            assert len(set(value)) == len(value), name
        assert value is not None, name


async def test_03_scopes_hold_openid_and_those_the_modules_ask_for(tried: Tried) -> None:
    """CheckDiscEndpointScopesSupportedContainsOpenId."""
    scopes = set(tried.metadata["scopes_supported"])
    assert {"openid", "profile", "email", "address", "phone", "offline_access"} <= scopes


async def test_04_claims_are_listed_and_languages_well_written(tried: Tried) -> None:
    """OIDCCCheckDiscEndpointClaimsSupported, CheckDiscEndpointLocalesSyntax."""
    assert {"sub", "iss", "aud", "exp", "iat", "name", "email"} <= set(tried.metadata["claims_supported"])
    languages = tried.metadata["ui_locales_supported"]
    assert all(_LANGUAGE.fullmatch(tag) for tag in languages)
    assert set(languages) == set(catalogues([templates_root()])), "what pages speak"


async def test_05_rs256_a_subject_type_and_the_methods_of_our_clients(tried: Tried) -> None:
    """OIDCCCheckDiscEndpointIdTokenSigningAlgValuesSupported, CheckDiscEndpointSubjectTypesSupported."""
    assert "RS256" in tried.metadata["id_token_signing_alg_values_supported"]
    assert "none" not in tried.metadata["id_token_signing_alg_values_supported"]
    assert "public" in tried.metadata["subject_types_supported"]
    methods = {"client_secret_basic", "client_secret_post", "private_key_jwt"}
    assert methods <= set(tried.metadata["token_endpoint_auth_methods_supported"])
    assert {"authorization_code", "refresh_token"} <= set(tried.metadata["grant_types_supported"])


async def test_06_request_objects_are_spoken_of_in_so_many_words(tried: Tried) -> None:
    """CheckDiscEndpointRequestUriParameterSupported: left out, it would mean yes (OIDC Discovery 3)."""
    assert isinstance(tried.metadata["request_uri_parameter_supported"], bool)
    assert isinstance(tried.metadata["request_parameter_supported"], bool)
    algorithms = tried.metadata.get("request_object_signing_alg_values_supported")
    assert algorithms is None or "RS256" in algorithms


async def test_07_every_key_has_a_kid_of_its_own_and_nothing_private(tried: Tried) -> None:
    """CheckForKeyIdInServerJWKs, CheckDistinctKeyIdValueInServerJWKs, EnsureJwksHasNoPrivateOrSymmetricKeyMaterial."""
    keys = await key_list(tried)
    kids = [key["kid"] for key in keys]
    assert all(kids)
    assert len(set(kids)) == len(kids)
    for key in keys:
        assert key["kty"] in ("RSA", "EC", "OKP"), "WarnOnUnusableJwksKeys"
        assert key.get("crv") in (None, "P-256", "Ed25519")
        assert not key.keys() & _PRIVATE


async def test_08_a_header_selects_one_key_that_agrees_with_it(tried: Tried) -> None:
    """AbstractVerifyJwsSignature."""
    tokens = await tried.tokens()
    for token in (tokens["id_token"], tokens["access_token"]):
        header = header_of(token)
        [key] = [key for key in await key_list(tried) if key["kid"] == header["kid"]]
        assert (key["alg"], key["use"]) == (header["alg"], "sig")


async def test_09_a_rotation_shows_a_new_key_and_keeps_the_old(provider: Provider, tried: Tried) -> None:
    """VerifyNewJwksHasNewSigningKey, VerifyNewJwksStillHasOldSigningKey."""
    before = {key["kid"]: key for key in await key_list(tried)}
    used = header_of((await tried.tokens())["id_token"])["kid"]
    await provider.advance(15)  # until every cache holds the key that waits
    assert (await provider.control("keys.rotate"))["done"]
    await provider.advance(1)
    after = {key["kid"]: key for key in await key_list(tried)}
    fresh = [key for kid, key in after.items() if kid not in before and key["kty"] == "RSA"]
    assert fresh
    assert used in after
    assert fresh[0]["n"] not in {key.get("n") for key in before.values()}
    assert header_of((await tried.tokens())["id_token"])["kid"] != used


async def key_list(tried: Tried) -> list[dict[str, Any]]:
    return list((await tried.http.get(tried.metadata["jwks_uri"])).json()["keys"])
