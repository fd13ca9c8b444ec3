"""Counting what people's stored hashes cost, so that an unknown name can cost the same (``accounts.decoys``)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

from idp.server import Server
from idp.store import accounts

_STEP = 500  # rows, about 2 ms in the loop
_PAUSE = 0.02
_EVERY = 3600.0  # seconds; an import asks for a count of its own


async def count_costs(server: Server) -> None:
    """Count if it is time to."""
    if server.now() < server.passwords.costs_due:
        return
    server.passwords.costs_due = server.now() + _EVERY
    await _walk(server)


async def _walk(server: Server) -> None:
    """Walk through all accounts in small steps. At the first walk, what the first step saw counts until its end."""
    key = hmac.digest(server.keyring.secret("refresh"), b"costs of unknown names", hashlib.sha256)
    shares: dict[str, tuple[str, int]] = {}
    after, first = "", not server.passwords.knows_costs
    while rows := await server.database.read(accounts.hashes_after, after, _STEP):
        for _, stored in rows:
            cost = server.passwords.cost_of(stored)
            if cost:
                sample, count = shares.get(cost, (stored, 0))
                shares[cost] = sample, count + 1
        if not after and first:
            server.passwords.learn_costs(key, shares)
        after = rows[-1][0]
        await asyncio.sleep(_PAUSE)
    server.passwords.learn_costs(key, shares)
