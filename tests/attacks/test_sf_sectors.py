"""SF-03: what a client names as its sector is fetched through the one door, bounded, and believed only as a list."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from attack_support import Canary, Production, World
from support.sector_site import SectorSite, sector_site

from idp.control import ControlError
from idp.outbound import MAX_BODY

pytestmark = pytest.mark.anyio
CALLBACK = "https://sector.test/cb"


@pytest.fixture
def site() -> Iterator[SectorSite]:
    with sector_site() as found:
        yield found


async def register(world: World, uri: str) -> None:
    text = f"""
[[clients]]
client_id = "sectoral"
token_endpoint_auth_method = "none"
redirect_uris = ["{CALLBACK}", "https://sector.test/other"]
subject_type = "pairwise"
sector_identifier_uri = "{uri}"
"""
    await world.provider.apply(text)


async def refused(world: World, uri: str) -> str:
    """The apply is refused with a reason, and leaves nothing."""
    async with world.unchanged():
        with pytest.raises(ControlError) as found:
            await register(world, uri)
    assert await world.server.client("sectoral") is None
    return str(found.value)


BOTH = [CALLBACK, "https://sector.test/other"]
DOCUMENTS: dict[str, bytes] = {
    "numbers": json.dumps([*BOTH, 1]).encode(),
    "null": json.dumps([*BOTH, None]).encode(),
    "nested": json.dumps([*BOTH, [CALLBACK]]).encode(),
    "sparse": f'["{CALLBACK}",,"{BOTH[1]}"]'.encode(),
    "an object": json.dumps({"0": CALLBACK, "1": BOTH[1]}).encode(),
    "a text": json.dumps(" ".join(BOTH)).encode(),
    "null alone": b"null",
    "empty": b"",
    "an empty list": b"[]",
    "one missing": json.dumps(BOTH[:1]).encode(),
    "another case": json.dumps([CALLBACK.upper(), BOTH[1]]).encode(),
    "a prefix": json.dumps([CALLBACK + "/", BOTH[1]]).encode(),
    "a pattern": json.dumps(["https://sector.test/*"]).encode(),
    "not UTF-8": b'["\xff"]',
    "deep": b"[" * 30_000,
    "a page": b"<!doctype html><title>Sign in</title>",
    "too many": json.dumps(BOTH + [f"https://s/{number}" for number in range(1000)]).encode(),
    "too large": json.dumps([*BOTH, "x" * MAX_BODY]).encode(),
    "10 MB": b'["' + b"x" * 10_000_000 + b'"]',
}


@pytest.mark.parametrize("body", DOCUMENTS.values(), ids=DOCUMENTS)
async def test_sf_03_hostile_documents(world: World, site: SectorSite, body: bytes) -> None:
    site.body = body
    said = await refused(world, site.url)
    assert "sector" in said
    assert len(said) < 1000
    assert "<title>" not in said, "what stands there is not shown"


@pytest.mark.parametrize("status", [204, 301, 302, 307, 404, 500])
async def test_sf_03_only_a_plain_answer_counts(world: World, site: SectorSite, status: int) -> None:
    site.status = status
    site.lists(BOTH)
    assert f"status {status}" in await refused(world, site.url)
    assert site.visits == 1, "not followed, not tried again"


async def test_sf_03_a_good_document_is_taken(world: World, site: SectorSite) -> None:
    """So that the tests above can fail; only dev calls this machine."""
    site.lists(BOTH)
    await register(world, site.url)
    stored = await world.server.client("sectoral")
    assert stored.sector == "127.0.0.1"
    await world.provider.control("client.remove", client_id="sectoral")


@pytest.mark.parametrize(
    "pattern",
    [
        "https://127.0.0.1:{port}/s.json",
        "https://[::1]:{port}/s.json",
        "https://sector.localhost:{port}/s.json",
        "https://10.0.0.1:{port}/s.json",
        "https://169.254.169.254/latest/meta-data",
        "https://0x7f000001:{port}/s.json",
        "http://127.0.0.1:{port}/s.json",
    ],
)
async def test_sf_03_nothing_inside_is_called(pattern: str) -> None:
    canary = await Canary.start()
    async with canary.server, World(Production()) as world:
        said = await refused(world, pattern.format(port=canary.port))
        assert "sector_identifier_uri" in said or "no document" in said
        assert canary.visits == 0


class Open(Production):
    """Where anybody may register an app."""

    options = {"registration.mode": "open"}


@pytest.mark.parametrize(
    "pattern",
    [
        "https://127.0.0.1:{port}/s.json",
        "https://sector.localhost:{port}/s.json",
        "https://169.254.169.254/latest/meta-data",
        "http://sector.test:{port}/s.json",
    ],
)
async def test_sf_03_a_stranger_who_registers_reaches_nothing_inside(pattern: str) -> None:
    canary = await Canary.start()
    async with canary.server, World(Open()) as world:
        members = {
            "redirect_uris": BOTH,
            "subject_type": "pairwise",
            "sector_identifier_uri": pattern.format(port=canary.port),
        }
        async with world.unchanged():
            answer = await world.provider.http.post("/register", json=members)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
        assert canary.visits == 0
