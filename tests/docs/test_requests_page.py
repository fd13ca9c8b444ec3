"""docs/requests.md: its programs run one after the other, and its members and numbers are the code's."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from doc_blocks import ROOT, blocks
from support import Answer, Page, Visitor

from idp.jose.compact import MAX_TOKEN
from idp.protocol.client import Client
from idp.settings import Lifetimes
from idp.store.pushed import KEPT
from idp.testing import running_server

pytestmark = pytest.mark.anyio

PAGE = (ROOT / "docs" / "requests.md").read_text(encoding="utf-8")
BLOCKS = list(blocks(PAGE))


def programs() -> list[str]:
    # The page's readers have the usual client; the tests have its twin.
    texts = ["\n".join(block.lines) for block in BLOCKS if block.language == "python"]
    return [text.replace("import httpx\n", "import httpx2 as httpx\n") for text in texts]


async def through(visitor: Visitor, address: Any) -> Answer:
    stop = await visitor.open(str(address))
    while isinstance(stop, Page) and stop.id in ("login", "consent"):
        stop = await (visitor.log_in(stop) if stop.id == "login" else visitor.submit(stop, decision="allow"))
    assert isinstance(stop, Answer), stop
    return stop


async def test_the_programs_of_the_page() -> None:
    pushing, signing = programs()
    (toml,) = ("\n".join(block.lines) for block in BLOCKS if block.language == "toml")
    with running_server() as server:
        server.apply(toml)
        names: dict[str, Any] = {}
        exec(pushing.replace("http://localhost:8000", server.issuer), names)
        visitor = Visitor(server)
        back = await through(visitor, names["address"])
        assert (back.to, back.members["state"]) == ("https://shop.example/cb", "af0ifjsldkj")
        assert "code" in back.members
        plain = await visitor.open(f"{server.issuer}/authorize", {**names["parameters"], "client_id": "shop"})
        assert isinstance(plain, Answer)
        assert plain.error == "invalid_request", "the file of the page asks for pushed ones"

        exec(signing.replace("int(time.time())", str(int(server.clock()))), names)
        key = ", ".join(f'{name} = "{value}"' for name, value in names["key"].as_dict(private=False).items())
        server.apply(
            '[[clients]]\nclient_id = "signer"\nclient_secret = "secret-of-the-signer-0123456789"\n'
            f'redirect_uris = ["https://shop.example/cb"]\njwks = {{ keys = [{{ {key} }}] }}\n'
        )
        back = await through(visitor, names["signed_address"])
        assert "code" in back.members
        await visitor.aclose()


def test_its_members_and_numbers_are_the_code_s() -> None:
    for name in re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE):
        assert name in Client.__struct_fields__
    for block in BLOCKS:
        if block.language == "toml":
            (client,) = tomllib.loads("\n".join(block.lines))["clients"]
            assert client.keys() - {"client_secret"} <= set(Client.__struct_fields__)
    assert f"{Lifetimes().pushed_request} seconds" in PAGE
    assert KEPT == 2 * 3600
    assert MAX_TOKEN == 16 * 1024
