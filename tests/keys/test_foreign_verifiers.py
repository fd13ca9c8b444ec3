"""The verifiers of the simulation say no when they should: else its silence would prove nothing."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from foreign_verifiers import SCRIPT, DayCache, ForEver, HourlyPoll, Jose, JwksServer, NodeProcess, PyJwt, StaticCopy
from key_support import Clock, keyring, open_database, token

from idp.store.database import Database

pytestmark = [pytest.mark.anyio, pytest.mark.node]


async def test_every_kind_refuses_a_forged_and_an_unknown_token(
    database: Database, clock: Clock, node: Path, tmp_path: Path
) -> None:
    ring = keyring(database, clock)
    await ring.start()
    compact = await token(ring, clock)
    head, body, signature = compact.split(".")
    forged = f"{head}.{body[:-2]}AA.{signature}"
    other_database = open_database(tmp_path / "other.db")
    other = keyring(other_database, clock)
    await other.start()
    strange = await token(other, clock)
    other_database.close()
    process, server = NodeProcess(node, clock, lambda: ring.jwks), JwksServer(lambda: ring.jwks)
    try:
        for verifier in (
            PyJwt(server.url),
            Jose(process, "only"),
            HourlyPoll(clock, lambda: ring.jwks),
            DayCache(clock, lambda: ring.jwks),
            ForEver(clock, lambda: ring.jwks),
            StaticCopy(clock, lambda: ring.jwks),
        ):
            good, *bad = verifier.refusals([compact, forged, strange])
            assert good is None, verifier.name
            assert all(bad), verifier.name
        clock.move(301)
        assert "exp" in (Jose(process, "only").refusals([compact])[0] or "")
    finally:
        server.close()
        process.close()


async def test_jose_over_real_http_and_time(database: Database, node: Path) -> None:
    clock = Clock(time.time())
    ring = keyring(database, clock)
    await ring.start()
    tokens = [await token(ring, clock, alg) for alg in ("RS256", "ES256")]
    server = JwksServer(lambda: ring.jwks)
    try:
        answer = subprocess.run(
            [str(node), str(SCRIPT), server.url, "1", "0"],
            input=json.dumps({"tokens": [*tokens, tokens[0][:-4] + "AAAA"]}) + "\n",
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    finally:
        server.close()
    results = json.loads(answer.stdout)
    assert results["results"][:2] == [None, None]
    assert "signature" in results["results"][2]
    assert results["fetches"] == 1
