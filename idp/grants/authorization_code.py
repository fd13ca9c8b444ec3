"""grant_type=authorization_code (RFC 6749 4.1.3 with RFC 7636)."""

from __future__ import annotations

import hashlib
import re

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from idp.grants.narrowing import narrower
from idp.grants.people import follow
from idp.grants.redeemed import authorization_of
from idp.grants.refresh_token import earns_refresh
from idp.protocol.authorization import Authorization
from idp.protocol.errors import Refused, invalid_grant
from idp.server import Server, TokenRequest
from idp.store.codes import Redemption, redeem, whose_code

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


async def authorization_code(request: TokenRequest, server: Server) -> Authorization:
    """One statement decides who redeems the code; the refusals that must change something commit that change."""
    parameters, client = request.parameters, request.client
    code = parameters.require("code")
    handle, secret = server.random_id(16), server.randomness(32)
    await follow(server, whose_code, code)
    outcome = await server.database.write(
        redeem,
        server.journal,
        Redemption(
            code=code,
            client=client,
            redirect_uri=parameters.get("redirect_uri"),
            challenge=_challenge(parameters.get("code_verifier")),
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
    return authorization_of(request, server, outcome, "authorization_code", handle=handle, secret=secret)


def _challenge(verifier: str | None) -> str | None:
    if verifier is None:
        return None
    if not _VERIFIER.fullmatch(verifier):
        raise invalid_grant(
            "code_verifier is not 43 to 128 unreserved characters.",
            received=f"a verifier of {len(verifier)} characters",
            expected="43 to 128 characters, the verifier whose SHA-256 was sent as code_challenge",
            mend="Generate the verifier with the client library, 32 random bytes as base64url.",
            rule="RFC 7636 4.1",
        )
    return str(create_s256_code_challenge(verifier))
