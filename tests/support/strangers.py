"""Tokens as a stranger reads them: with joserfc and the published key set alone, nothing of ours."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import KeySet


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as they stand, nothing checked."""
    header, claims, _ = token.split(".")
    return _json(header), _json(claims)


def header_of(token: str) -> dict[str, Any]:
    return unverified(token)[0]


def at_the_root(issuer: str, name: str = "oauth-protected-resource") -> str:
    """Where a well-known document of an issuer stands, whose path comes last (RFC 9728 3.1, RFC 8414 3.1)."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}/.well-known/{name}{parts.path}"


async def discovery(http: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await http.get("/.well-known/openid-configuration")
    answer.raise_for_status()
    return dict(answer.json())


async def userinfo(http: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await http.get("/userinfo", headers={"authorization": f"Bearer {token}"})


async def key_set(http: httpx2.AsyncClient) -> KeySet:
    answer = await http.get("/.well-known/jwks.json")
    return KeySet.import_key_set(answer.json())


async def claims_of(http: httpx2.AsyncClient, token: str, *algorithms: str) -> dict[str, Any]:
    """The claims, if a published key signed them; raises joserfc's error if none did."""
    read = jwt.decode(token, await key_set(http), algorithms=list(algorithms or ("RS256", "ES256")))
    return dict(read.claims)


def _json(part: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))
