"""Pairwise subjects outlive what may happen to an installation: its keys, the key above them, its database."""

from __future__ import annotations

from pathlib import Path

import pytest
from homes import backup
from support import App, register, sign_in, unverified

from idp.keyring import generate_key_encryption_key
from idp.testing import Provider

pytestmark = pytest.mark.anyio

SHOP = App(
    "shop",
    "https://shop.test/cb",
    "secret-of-shop-0123456789abcdef",
    members={"subject_type": "pairwise", "consent": "skip"},
)


async def sub_of(provider: Provider) -> str:
    return str(unverified((await sign_in(provider, SHOP))["id_token"])[1]["sub"])


@pytest.mark.parametrize("target", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_a_restore_and_a_move_keep_them(kind: str, target: str, homes, tmp_path: Path) -> None:
    here, there = homes(kind), homes(target)
    async with here.provider() as provider:
        await register(provider, SHOP)
        before = await sub_of(provider)
        await backup(provider, tmp_path / "b")
    await there.restore(tmp_path / "b")
    async with there.provider() as provider:
        assert await sub_of(provider) == before


async def test_a_new_key_encryption_key_keeps_them(homes, tmp_path: Path) -> None:
    home = homes("sqlite")
    async with home.provider() as provider:
        await register(provider, SHOP)
        before = await sub_of(provider)
    fresh = tmp_path / "fresh"
    generate_key_encryption_key(fresh)
    kek = tmp_path / "kek"
    kek.write_text(fresh.read_text() + kek.read_text())
    async with home.provider() as provider:
        assert (await provider.control("keys.rewrap"))["secrets"] >= 3
    kek.write_text(fresh.read_text())
    async with home.provider() as provider:
        assert await sub_of(provider) == before
