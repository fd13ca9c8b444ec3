"""Deliberately wrong tokens under the real key, for ``idp probe``: a fixed list, no claims of the caller's choice."""

from __future__ import annotations

from typing import Any

from idp.control.errors import ControlError
from idp.control.people import token as operator_token
from idp.diagnosis.signed import to_sign
from idp.jose import JoseError, read_unverified
from idp.server import Server


async def tokens(
    server: Server,
    person: str,
    thumbprint: str,
    client: str | None = None,
    scope: str | None = None,
    resource: list[str] | None = None,
) -> dict[str, Any]:
    """A good access token as ``token`` gives it, and bad ones by row of the catalogue; journalled as the operator's.

    A verifier that keeps the rules refuses every one of them. ``thumbprint`` is that of a key (RFC 7638).
    """
    answer = await operator_token(server, person, None, client, scope, resource)
    good = str(answer["access_token"])
    try:
        parts = read_unverified(good)
    except JoseError:
        raise ControlError(
            "the API takes tokens that can be read",
            received="an opaque token, as the resource asks for",
            expected="a resource with access_token_format jwt",
            mend="name another --resource: opaque tokens are judged by the issuer, not by the API",
        ) from None
    now = server.now()
    bad: dict[str, list[str]] = {}
    for asked in to_sign(parts.claims, now, answer["client_id"], thumbprint):
        until = float(asked.claims.get("exp", now))
        token = await server.keyring.sign(parts.header["alg"], asked.typ, asked.claims, until=until)
        bad.setdefault(asked.row, []).append(token)
    # Before anybody gets them.
    await server.database.write(
        lambda connection: server.journal.record(connection, now, "operator.probe", client_id=answer["client_id"])
    )
    return {"good": good, "bad": bad, "issuer": server.issuer, "jwks_max_age": server.settings.keys.jwks_max_age}
