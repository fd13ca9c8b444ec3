"""grant_type=device_code (RFC 8628 3.4): a device asks whether its person has answered."""

from __future__ import annotations

import hashlib

from idp.grants.narrowing import narrower
from idp.grants.people import follow
from idp.grants.redeemed import authorization_of
from idp.grants.refresh_token import earns_refresh
from idp.protocol.authorization import Authorization
from idp.protocol.errors import Refused
from idp.server import Server, TokenRequest
from idp.store.device import Poll, poll, whose_device


async def device_code(request: TokenRequest, server: Server) -> Authorization:
    """One transaction reads, notes the poll, or spends the code; a refusal is returned so that its trace commits."""
    parameters, client = request.parameters, request.client
    handle, secret = server.random_id(16), server.randomness(32)
    await follow(server, whose_device, parameters.require("device_code"))
    outcome = await server.database.write(
        poll,
        Poll(
            device_code=parameters.require("device_code"),
            client=client,
            narrow=narrower(parameters),
            earns_refresh=lambda grant: earns_refresh(client, grant.scope, server.grants),
            handle=handle,
            secret_hash=hashlib.sha256(secret).digest(),
            now=request.now,
            idle=server.settings.lifetimes.refresh_idle,
            holder=request.holder,
        ),
    )
    if isinstance(outcome, Refused):
        raise outcome
    return authorization_of(request, server, outcome, "device_code", handle=handle, secret=secret)
