"""docs/claims.md: its file is applied, its request is made, and the answers are those it shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from doc_blocks import ROOT, blocks
from support import App, claims_of, sign_in, userinfo

from idp.testing import Provider

pytestmark = pytest.mark.anyio
BLOCKS = list(blocks((ROOT / "docs" / "claims.md").read_text(encoding="utf-8")))
SHOP = App("shop", "https://shop.example/cb", "shop-secret-for-this-page")


async def test_the_page_is_answered_as_it_says(tmp_path: Path) -> None:
    (file,) = ("\n".join(block.lines) for block in BLOCKS if block.language == "toml")
    asked, at_userinfo, in_id_token = (json.loads("\n".join(b.lines)) for b in BLOCKS if b.language == "json")
    async with Provider(data_dir=tmp_path) as provider:
        await provider.apply(file)
        tokens = await sign_in(provider, SHOP, "eve", scope="openid", claims=json.dumps(asked))
        assert (await userinfo(provider.http, tokens["access_token"])).json() == at_userinfo
        inside = await claims_of(provider.http, tokens["id_token"])
        assert in_id_token.items() <= inside.items()
        plain = await sign_in(provider, SHOP, "eve", scope="openid")
        usual = await claims_of(provider.http, plain["id_token"])
        assert inside.keys() - usual.keys() == in_id_token.keys()
