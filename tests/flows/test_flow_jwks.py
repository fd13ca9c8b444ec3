"""The published keys (RFC 7517): public parts alone, the next key beside the present one, in a steady order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import KeySet
from support import WEB, discovery, header_of, register, sign_in
from support.serving import serving

from idp.testing import Provider

pytestmark = pytest.mark.anyio

JWKS = "/.well-known/jwks.json"
PUBLIC = {"RSA": {"kty", "n", "e"}, "EC": {"kty", "crv", "x", "y"}, "OKP": {"kty", "crv", "x"}}


async def keys(provider: Provider) -> list[dict[str, Any]]:
    answer = await provider.http.get(JWKS)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["keys"]
    return found


async def test_is_announced_in_discovery(provider: Provider) -> None:
    assert (await discovery(provider.http))["jwks_uri"] == f"{provider.issuer}{JWKS}"


async def test_public_parts_and_names_alone(tmp_path: Path) -> None:
    async with Provider(data_dir=tmp_path, keys__algorithms=("RS256", "PS256", "ES256", "EdDSA")) as provider:
        found = await keys(provider)
        assert sorted(key["alg"] for key in found) == ["ES256"] * 2 + ["EdDSA"] * 2 + ["PS256"] * 2 + ["RS256"] * 2
        for key in found:
            assert key.keys() == PUBLIC[key["kty"]] | {"kid", "alg", "use"}
            assert key["use"] == "sig"
        KeySet.import_key_set({"keys": found})


async def test_a_key_to_come_stands_beside_each_that_signs(provider: Provider) -> None:
    found = await keys(provider)
    assert [key["kid"] for key in found] == sorted(key["kid"] for key in found)
    tokens = await sign_in(provider, WEB)
    signing = header_of(tokens["id_token"])["kid"]
    rs256 = [key["kid"] for key in found if key["alg"] == "RS256"]
    assert signing in rs256
    assert len(rs256) == 2


async def test_anyone_may_cache_it_for_a_bounded_time(provider: Provider) -> None:
    answer = await provider.http.get(JWKS)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, max-age=5, stale-if-error=86400"
    assert answer.headers["access-control-allow-origin"] == "*"
    same = await provider.http.get(JWKS, headers={"if-none-match": answer.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


async def test_a_rotation_shows_in_bytes_and_etag(tmp_path: Path) -> None:
    async with Provider(data_dir=tmp_path) as provider:
        await register(provider, WEB)
        before = await provider.http.get(JWKS)
        await provider.advance(11)
        await provider.control("keys.rotate")
        after = await provider.http.get(JWKS)
        assert before.headers["etag"] != after.headers["etag"]
        old, new = ({key["kid"] for key in answer.json()["keys"]} for answer in (before, after))
        assert old < new, "nothing a verifier may hold has gone"
        again = await provider.http.get(JWKS, headers={"if-none-match": before.headers["etag"]})
        assert again.status_code == 200


async def test_the_default_of_a_deployment_is_five_minutes(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, http):
        answer = await http.get(JWKS)
        assert answer.headers["cache-control"] == "public, max-age=300, stale-if-error=86400"
