"""DPoP over two nodes on one PostgreSQL: one memory of proofs, one key of a family, nonces that both take."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest
from support import SPA, App, Visitor, register
from support.dpop import ProofKey

from idp.testing import MovingClock, Provider

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]

TRIES = 32
SERVICE = App("svc", "", "secret-of-svc-0123456789abcdef", scope="", grant_types=("client_credentials",))


async def asked(node: Provider, proof: str) -> httpx2.Response:
    return await SERVICE.call(node.http, "/token", {"grant_type": "client_credentials"}, DPoP=proof)


async def refreshed(node: Provider, token: str, proof: str) -> httpx2.Response:
    return await SPA.call(node.http, "/token", {"grant_type": "refresh_token", "refresh_token": token}, DPoP=proof)


async def test_two_nodes_are_one_server(database: str, tmp_path: Path) -> None:
    clock = MovingClock()
    options = {"database": database, "clock": clock}
    async with (
        Provider(data_dir=tmp_path / "one", **options) as one,
        Provider(data_dir=tmp_path / "two", dpop__nonce="required", **options) as two,
        Provider(data_dir=tmp_path / "three", dpop__nonce="required", **options) as three,
    ):
        await register(one, SERVICE, SPA)
        for node in (two, three):
            await node.server.reload_registry()
        key, url = ProofKey(clock), f"{one.issuer}/token"
        first = await asked(two, key.proof("POST", url))
        assert first.json()["error"] == "use_dpop_nonce"
        proof = key.proof("POST", url, nonce=first.headers["dpop-nonce"])
        answers = await asyncio.gather(*(asked(node, proof) for node in (one, three) * (TRIES // 2)))
        assert sorted(answer.status_code for answer in answers) == [200] + [400] * (TRIES - 1)
        assert {answer.json().get("error") for answer in answers} == {None, "invalid_dpop_proof"}

        # An unbound family, and two keys that come first at once: one of them has it.
        visitor = Visitor(one)
        code = (await visitor.sign_on(SPA.request(scope="openid offline_access", prompt="consent"))).code
        await visitor.aclose()
        token = (await SPA.redeem(one.http, code)).json()["refresh_token"]
        keys = [ProofKey(clock) for _ in range(8)]
        answers = await asyncio.gather(*(refreshed(one, token, one_key.proof("POST", url)) for one_key in keys))
        winners = [k for k, answer in zip(keys, answers, strict=True) if answer.status_code == 200]
        assert len(winners) == 1
        live = next(answer.json()["refresh_token"] for answer in answers if answer.status_code == 200)
        assert (await refreshed(one, live, winners[0].proof("POST", url))).status_code == 200
