"""TK: clocks that differ, keys that change, and keys that cannot be read."""

from __future__ import annotations

import datetime
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from attack_support import Browser, World, assert_refused
from attack_world import MANIFEST, assertion, parts_of, with_assertion

from idp.keyring import KeyringError, generate_key_encryption_key
from idp.testing import Provider

pytestmark = pytest.mark.anyio


async def test_tk_01_clock_skew_of_clients(world: World) -> None:
    now = int(world.now)
    for changes in ({"iat": now + 8, "nbf": now + 8}, {"iat": now + 30}, {"exp": now - 29}):
        assert (await world.post("/token", with_assertion(assertion("pkj", now, **changes)))).status_code == 200
    async with world.unchanged():
        for changes in ({"nbf": now + 120}, {"iat": now + 120}, {"exp": now - 31}, {"exp": now + 3700}):
            text = assertion("pkj", now, **changes)
            assert_refused(await world.post("/token", with_assertion(text)), 401, "invalid_client")


async def test_tk_01_a_clock_set_back_revives_nothing(fresh: World, browser: Browser) -> None:
    issued = await browser.tokens()
    replayed = await browser.code()
    await fresh.redeem(replayed)
    fresh.provider.clock.advance(100)
    renewed = (await fresh.refresh(issued["refresh_token"])).json()
    await fresh.post("/revoke", {"token": renewed["access_token"]}, "web")
    fresh.provider.clock._base -= 90  # what an operator's date command does
    assert_refused(await fresh.redeem(replayed), 400, "invalid_grant")
    assert not await fresh.active(renewed["access_token"])
    assert_refused(await fresh.refresh(issued["refresh_token"]), 400, "invalid_grant")


async def test_tk_01_iat_is_never_in_the_future(fresh: World, browser: Browser) -> None:
    fresh.provider.clock.advance(0.999)
    issued = await browser.tokens()
    for name in ("access_token", "id_token"):
        claims = parts_of(issued[name])[1]
        assert isinstance(claims["iat"], int)
        assert claims["iat"] <= fresh.now
        assert claims["auth_time"] <= claims["iat"]


async def test_tk_03_a_key_is_seen_long_before_it_signs() -> None:
    """Over rotations: every kid a token is signed with was in the key set one longest_cache before."""
    async with World(
        keys__signs=100, keys__longest_cache=30, keys__jwks_max_age=5, lifetimes__access_token=10
    ) as world:
        seen: dict[str, float] = {}
        signed: dict[str, float] = {}
        start = world.now
        for _ in range(60):
            keys = (await world.api.http.get("/.well-known/jwks.json")).json()["keys"]
            for key in keys:
                seen.setdefault(key["kid"], world.now)
            answer = await world.post("/token", {"grant_type": "client_credentials"}, "svc")
            kid = parts_of(answer.json()["access_token"])[0]["kid"]
            assert kid in seen
            signed.setdefault(kid, world.now)
            await world.provider.advance(10)
        assert len(signed) >= 5
        for kid, at in signed.items():
            assert at == start or at - seen[kid] >= 30


async def test_tk_07_unreadable_keys_stop_the_start(tmp_path: Path) -> None:
    async with Provider(data_dir=tmp_path, key_encryption_key_file=str(_key(tmp_path, "right"))):
        pass
    with pytest.raises(KeyringError):
        async with Provider(data_dir=tmp_path, key_encryption_key_file=str(_key(tmp_path, "wrong"))):
            pass
    database = sqlite3.connect(tmp_path / "idp.sqlite3")
    database.execute("UPDATE keys SET sealed = zeroblob(length(sealed)) WHERE alg = 'RS256'")
    database.commit()
    database.close()
    with pytest.raises(KeyringError):
        async with Provider(data_dir=tmp_path, key_encryption_key_file=str(tmp_path / "right")):
            pass


def _key(folder: Path, name: str) -> Path:
    path = folder / name
    generate_key_encryption_key(path)
    return path


async def test_tk_08_each_client_keeps_its_algorithm() -> None:
    async with World(
        keys__signs=100, keys__longest_cache=30, keys__jwks_max_age=5, lifetimes__access_token=10
    ) as world:
        text = MANIFEST.replace(
            'client_id = "svc"\n', 'client_id = "svc"\naccess_token_signed_response_alg = "ES256"\n'
        )
        await world.provider.apply(text)
        seen: dict[str, set[str]] = {"svc": set(), "web": set()}
        for _ in range(14):
            for client in seen:
                answer = await world.post("/token", {"grant_type": "client_credentials"}, client)
                header = parts_of(answer.json()["access_token"])[0]
                assert header["alg"] == {"svc": "ES256", "web": "RS256"}[client]
                seen[client].add(header["kid"])
            await world.provider.advance(45)
        assert min(len(kids) for kids in seen.values()) >= 5


_EDGES = """
import asyncio, datetime, json, sys
from idp.testing import MovingClock, Provider

async def main():
    for moment in map(float, sys.argv[1:]):
        async with Provider(clock=MovingClock(moment)) as provider:
            token = await provider.token_for("alice")
            answer = await provider.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
            print(json.dumps([moment, answer.status_code, token]))

asyncio.run(main())
"""


def test_tk_09_calendar_edges() -> None:
    """A zone far off, the night of a clock change, a leap second's day, the end of 32-bit time: times stay times."""
    moments = [
        datetime.datetime(2027, 3, 28, 1, 30, tzinfo=datetime.UTC),
        datetime.datetime(2027, 10, 31, 0, 59, 59, tzinfo=datetime.UTC),
        datetime.datetime(2028, 2, 29, 23, 59, 59, tzinfo=datetime.UTC),
        datetime.datetime(2038, 1, 19, 3, 14, 6, tzinfo=datetime.UTC),
    ]
    stamps = [str(moment.timestamp()) for moment in moments]
    environment = {**os.environ, "TZ": "Asia/Kolkata"}
    done = subprocess.run(
        [sys.executable, "-c", _EDGES, *stamps], capture_output=True, text=True, env=environment, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(moments)
    for line, moment in zip(lines, moments, strict=True):
        stamp, status, token = json.loads(line)
        claims = parts_of(token)[1]
        assert status == 200
        assert claims["iat"] == int(stamp) == int(moment.timestamp())
        assert claims["exp"] == claims["iat"] + 300
