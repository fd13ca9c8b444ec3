"""The device authorization endpoint (RFC 8628 3.1, 3.2): a device asks, and is told what to show its person."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import Response

from idp.accounts.user_codes import devices, user_code_hash
from idp.protocol.device import GRANT_TYPE, INTERVAL, asked, shown, user_code
from idp.protocol.errors import Busy, Refused
from idp.store.attempts import Full
from idp.store.device import NewDevice, begin, device_hash
from idp.web.client_authentication import authenticate
from idp.web.context import network_of, server_of
from idp.web.forms import json_response, read_form

_TRIES = 3  # two devices with one code are one in ten million: a third try is not for chance


async def device_authorization(http: Request) -> Response:
    server = server_of(http)
    parameters = await read_form(http)
    client = await authenticate(http, parameters, server, http.app.state.client_authentication)
    server.grant_for(client, GRANT_TYPE)
    scope, resources = asked(parameters, client, server.rules)
    network, lifetime = network_of(http), server.settings.lifetimes.device_code
    buckets = devices(server, client, network)
    for _ in range(_TRIES):
        device_code, code = f"dc.{server.random_id(32)}", user_code(server.randomness(16))
        new = NewDevice(
            hash=device_hash(device_code),
            user_code_hash=user_code_hash(server, code),
            client_id=client.client_id,
            scope=scope,
            resources=resources,
            network=network,
            now=server.now(),
            lifetime=float(lifetime),
        )
        try:
            if await server.database.write(begin, new, buckets):
                break
        except Full as full:
            raise _too_many(full, network) from None
    else:
        raise Busy
    address = f"{server.issuer}/device"
    return json_response(
        {
            "device_code": device_code,
            "user_code": shown(code),
            "verification_uri": address,
            "verification_uri_complete": f"{address}?user_code={shown(code)}",
            "expires_in": lifetime,
            "interval": INTERVAL,
        }
    )


def _too_many(full: Full, network: str) -> Refused:
    seconds = max(1, math.ceil(full.wait))
    return Refused(
        "temporarily_unavailable",
        f"Too many devices wait for their people already. Ask again in {seconds} s.",
        rule="RFC 8628 5.1: as few codes as possible that a guess could hit",
        received=f"one more device from {network}; full: {full.bucket.kind}",
        expected=f"none for {seconds} s",
        mend="limits.device_codes and limits.device_codes_overall say how many.",
        status=429,
        headers={"Retry-After": str(seconds)},
    )
