"""Back-channel logout (OpenID Connect Back-Channel Logout 1.0): signed logout tokens from an outbox, by lease."""

from __future__ import annotations

import asyncio
import logging

from idp.features.feature import Feature, Job
from idp.outbound import OutboundError
from idp.protocol.client import Client
from idp.server import Server
from idp.store.logout import Delivery, claim_due, settle

log = logging.getLogger("idp.logout")

_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_TOKEN_SECONDS = 120
# After a failure: soon, then ever rarer, for a day.
_RETRY_SECONDS = (1, 5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800)


async def deliver_due(server: Server) -> None:
    """Send every delivery that is due and that nobody else holds, side by side."""
    claimed = await server.database.write(claim_due, server.now())
    await asyncio.gather(*(_deliver(server, delivery) for delivery in claimed))


async def _deliver(server: Server, delivery: Delivery) -> None:
    client = await server.registered_client(delivery.client_id)
    if client is None:
        answer, tries = "the client is gone", len(_RETRY_SECONDS)
    else:
        answer, tries = await _post(server, delivery, client), delivery.attempts
    now = server.now()
    next_try = now + _RETRY_SECONDS[tries] if tries < len(_RETRY_SECONDS) else None
    await server.database.write(settle, server.journal, delivery, now, answer, next_try)
    arrived = answer in ("200", "204")
    server.meters.logout("delivered" if arrived else "given_up" if next_try is None else "failed")
    log.log(
        logging.INFO if arrived else logging.WARNING,
        "back-channel logout of %s at %s: %s after %.2f s (attempt %d)",
        delivery.client_id,
        delivery.uri,
        "delivered" if arrived else f"failed, {answer}",
        now - delivery.created_at,
        delivery.attempts + 1,
    )


async def _post(server: Server, delivery: Delivery, client: Client) -> str:
    """The status as text, or why there is none. Same ``jti`` at every try, fresh ``iat`` (section 2.4)."""
    now = int(server.now())
    claims = {
        "iss": server.issuer,
        "aud": delivery.client_id,
        "iat": now,
        "exp": now + _TOKEN_SECONDS,
        "jti": delivery.jti,
        "sub": server.subject_of(client, delivery.account_id),
        "sid": delivery.sid,
        "events": {_EVENT: {}},
    }
    token = await server.keyring.sign(client.id_token_signed_response_alg, "logout+jwt", claims)
    try:
        answer = await server.outbound.post_form(delivery.uri, {"logout_token": token})
    except OutboundError as error:
        return str(error)
    return str(answer.status)


BACKCHANNEL_LOGOUT = Feature(
    "back-channel logout",
    metadata=lambda settings: {
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    },
    jobs=(Job("logout deliveries", lambda server: 1.0, deliver_due),),
)
