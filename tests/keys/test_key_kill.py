"""kill -9 while tokens are signed: every token that left the process is covered by its key's mark (decision 10)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from key_support import PLAN, Clock, keyring, open_database

from idp.store import keys as store

SIGNER = """
import asyncio, sys
from key_support import BOTH, Clock, keyring, kid_of, open_database, token

async def main():
    database, clock = open_database(sys.argv[1]), Clock()
    ring = keyring(database, clock)
    await ring.start()
    while True:
        for alg in BOTH:
            compact = await token(ring, clock, alg)
            print(kid_of(compact), clock() + 300, flush=True)
        clock.move(130)
        await ring.tick()

asyncio.run(main())
"""


@pytest.mark.anyio
async def test_no_mark_is_below_a_token_that_left(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    file = tmp_path / "idp.db"
    expires: dict[str, float] = {}
    for lines in (1, 40, 333):
        process = subprocess.Popen(
            [sys.executable, "-c", SIGNER, str(file)], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert process.stdout is not None
        for _ in range(lines):
            kid, end = process.stdout.readline().split()
            expires[kid] = max(expires.get(kid, 0), float(end))
        process.send_signal(signal.SIGKILL)
        for line in process.stdout.read().splitlines():  # what had left before the signal arrived
            if line.count(" ") == 1 and line.endswith(".0"):
                kid, end = line.split()
                expires[kid] = max(expires.get(kid, 0), float(end))
        process.wait(timeout=10)
        process.stdout.close()
        database = open_database(file)
        marks = {row.life.kid: row.life.mark for row in database.read_now(store.load_keys)}
        assert expires.keys() <= marks.keys()
        assert all(marks[kid] >= end for kid, end in expires.items())
        assert all(marks[kid] <= end + 2 * PLAN.reserve_ahead for kid, end in expires.items())
        ring = keyring(database, Clock())
        await ring.start()
        assert len(ring.timeline()) == 4
        database.close()
