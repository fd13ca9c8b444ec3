"""Exactly once (decisions 6, 7): 500 codes and 500 refresh tokens, each tried by 32 connections at the same moment.

SQLite is one process, PostgreSQL two nodes, half of the connections to each. The last byte of all 32 requests leaves in
one go. Refresh runs with grace 0, where a second success could only be a double.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fault_house import MANIFEST, codes, introspection, redemption, refreshing, session
from fault_installation import Installation, unused_port
from fault_wire import Answer, Wire, together

pytestmark = [pytest.mark.long, pytest.mark.timeout(300), pytest.mark.anyio]

VALUES, TRIES, LANES = 500, 32, 2
OPTIONS = {"lifetimes_code": "600", "lifetimes_refresh_grace": "0"}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Installation, list[int]]]:
    """One process on SQLite, two nodes with ports of their own on PostgreSQL."""
    url = request.getfixturevalue("database") if request.param == "postgres" else None
    ports = [unused_port() for _ in range(1 if url is None else 2)]
    installation = Installation(tmp_path, ports[0], url, OPTIONS)
    installation.make(MANIFEST)
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(installation.serving(port=port))
        yield installation, ports


async def test_codes_and_refresh_tokens_count_once(nodes: tuple[Installation, list[int]]) -> None:
    installation, ports = nodes
    cookie = await session(installation)
    values = await codes(ports, cookie, VALUES)
    assert len(set(values)) == VALUES

    bought = await race(ports, values, redemption, "codes")
    assert [answer.json()["active"] for answer in await asked(ports, bought, "access_token", introspection)] == [
        False
    ] * VALUES, "a code that came twice ends what it bought"

    fresh = await codes(ports, cookie, VALUES)
    tokens = [answer.json()["refresh_token"] for answer in await asked_for(ports, [redemption(one) for one in fresh])]
    successors = await race(ports, tokens, refreshing, "refresh tokens")
    assert {answer.status for answer in await asked(ports, successors, "refresh_token", refreshing)} == {400}
    assert not any(
        answer.json()["active"] for answer in await asked(ports, successors, "access_token", introspection)
    ), "a replay ends the family"


async def race(ports: list[int], values: list[str], request: Callable[[str], bytes], what: str) -> list[Answer]:
    """Every value by ``TRIES`` at once; answers the one success of each."""
    began = time.monotonic()
    waiting = iter(values)
    statuses: Counter[int] = Counter()
    winners: dict[str, list[Answer]] = {value: [] for value in values}

    async def lane() -> None:
        wires = [Wire(ports[number % len(ports)]) for number in range(TRIES)]
        for value in waiting:
            for answer in await together(wires, request(value)):
                statuses[answer.status] += 1
                if answer.status == 200:
                    winners[value].append(answer)
        for wire in wires:
            wire.close()

    await asyncio.gather(*(lane() for _ in range(LANES)))
    seconds = time.monotonic() - began
    print(f"{what}: {sum(statuses.values())} tries in {seconds:.1f} s, answers {dict(statuses)}")
    successes = Counter(len(found) for found in winners.values())
    assert successes == {1: len(values)}, f"successes a value: {dict(successes)}"
    assert statuses == {200: len(values), 400: len(values) * (TRIES - 1)}
    return [found[0] for found in winners.values()]


async def asked(ports: list[int], answers: list[Answer], name: str, request: Callable[[str], bytes]) -> list[Answer]:
    return await asked_for(ports, [request(answer.json()[name]) for answer in answers])


async def asked_for(ports: list[int], requests: list[bytes]) -> list[Answer]:
    """The requests in their order over eight connections."""
    found: dict[int, Answer] = {}
    waiting = iter(enumerate(requests))

    async def some(wire: Wire) -> None:
        for number, request in waiting:
            found[number] = await wire.ask(request)
        wire.close()

    await asyncio.gather(*(some(Wire(ports[number % len(ports)])) for number in range(8)))
    return [found[number] for number in range(len(requests))]
