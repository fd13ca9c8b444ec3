"""Assertions over two nodes on one PostgreSQL: a client's proof, and another issuer's word, count once."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from support import App
from test_postgres_provider import two_nodes

from idp.testing import Provider

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]

TRIES = 32
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
BY_KEY = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PARTNER = "https://partner.test"
KEY = ECKey.generate_key("P-256", parameters={"kid": "k1", "use": "sig", "alg": "ES256"})
JWKS = {"keys": [KEY.as_dict(private=False)]}
BRIDGE = App(
    "bridge",
    secret="secret-of-bridge-0123456789",
    grant_types=(BEARER,),
    members={"assertion_issuers": [{"issuer": PARTNER, "jwks": JWKS, "subject": "username"}]},
)
SIGNED = App("signed", "", None, "private_key_jwt", "", ("client_credentials",), {"jwks": JWKS})


def assertion(node: Provider, issuer: str, subject: str) -> str:
    now = int(node.clock())
    claims = {"iss": issuer, "sub": subject, "aud": node.issuer, "iat": now, "exp": now + 60, "jti": uuid.uuid4().hex}
    return jwt.encode({"alg": "ES256", "kid": "k1"}, claims, KEY)


async def redeemed(node: Provider, text: str) -> httpx2.Response:
    return await BRIDGE.token(node.http, BEARER, assertion=text)


async def proved(node: Provider, text: str) -> httpx2.Response:
    form: dict[str, Any] = {"client_assertion_type": BY_KEY, "client_assertion": text}
    return await node.http.post("/token", data={"grant_type": "client_credentials", **form})


async def test_of_32_tries_over_two_nodes_one_counts(database: str, tmp_path: Path) -> None:
    async with two_nodes(database, tmp_path) as (one, two):
        await one.apply("\n\n".join(app.toml() for app in (BRIDGE, SIGNED)))
        await two.server.reload_registry()
        for _ in range(3):
            text = assertion(one, PARTNER, "alice")
            answers = await asyncio.gather(*(redeemed(node, text) for node in (one, two) * (TRIES // 2)))
            assert sorted(answer.status_code for answer in answers) == [200] + [400] * (TRIES - 1)
            text = assertion(one, "signed", "signed")
            answers = await asyncio.gather(*(proved(node, text) for node in (one, two) * (TRIES // 2)))
            statuses = [answer.status_code for answer in answers]
            assert statuses.count(200) == 1
            assert set(statuses) <= {200, 401, 429}
