"""A pushed request over two nodes: pushed at one, opened at either, answered once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support import WEB, Page, Visitor, granted
from test_postgres_provider import two_nodes

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]


async def test_of_32_tries_over_two_nodes_one_brings_a_code(database: str, tmp_path: Path) -> None:
    async with two_nodes(database, tmp_path) as (one, two):
        visitors = [Visitor(node) for node in (one, two)]
        assert granted(await visitors[0].sign_on(WEB.request()))
        visitors[1].http.cookies.update(visitors[0].http.cookies)
        for _ in range(5):
            answer = await WEB.call(one.http, "/par", WEB.request())
            assert answer.status_code == 201
            request = {"client_id": "web", "request_uri": answer.json()["request_uri"]}
            tries = [visitors[number % 2].authorize(request) for number in range(32)]
            stops = await asyncio.gather(*tries)
            assert sum(map(granted, stops)) == 1
            assert {stop.id for stop in stops if isinstance(stop, Page)} == {"error"}
        for visitor in visitors:
            await visitor.aclose()
