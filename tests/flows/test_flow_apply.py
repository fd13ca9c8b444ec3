"""``apply`` as a whole: what contradicts itself is refused before anything is written."""

from __future__ import annotations

import pytest

from idp.control import ControlError
from idp.testing import Provider

pytestmark = pytest.mark.anyio

CLIENT = """
[[clients]]
client_id = "orders-app"
client_secret = "orders-secret-0123456789"
grant_types = ["client_credentials"]
scope = ""
"""
RESOURCE = """
[[resources]]
uri = "https://orders.test"
"""


@pytest.mark.parametrize("member", ["resources", "audiences"])
async def test_a_client_names_resources_that_exist(provider: Provider, member: str) -> None:
    with pytest.raises(ControlError) as refused:
        await provider.apply(f'{CLIENT}{member} = ["https://orders.tset"]\n{RESOURCE}')
    assert "https://orders.tset of client orders-app" in refused.value.received
    assert "https://orders.test" in refused.value.expected
    assert await provider.server.client("orders-app") is None
    assert "https://orders.test" not in provider.server.registry.resources, "nothing of the file was applied"


async def test_the_resource_may_be_in_the_same_file_or_be_the_issuer(provider: Provider) -> None:
    text = f'{CLIENT}resources = ["https://orders.test", "{provider.issuer}"]\n{RESOURCE}'
    assert (await provider.apply(text))["changed"] == 2
    assert (await provider.apply(text))["changed"] == 0


@pytest.mark.parametrize(("username", "sub"), [("alice", "somebody"), ("carol", "bob")])
async def test_a_sub_neither_changes_nor_moves(provider: Provider, username: str, sub: str) -> None:
    before = await provider.control("user.list")
    with pytest.raises(ControlError) as refused:
        await provider.apply(f'[[people]]\nusername = "{username}"\nsub = "{sub}"\npassword = "a long password"\n')
    assert f"sub {sub} for {username}" in refused.value.received
    assert await provider.control("user.list") == before
