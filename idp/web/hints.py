"""Reading an ``id_token_hint``: one of our ID tokens, however old, that names the person a client means."""

from __future__ import annotations

from idp.jose import JoseError
from idp.protocol.request import Hint
from idp.server import Server


def read_hint(server: Server, text: str, client_id: str | None) -> Hint | None:
    """None unless it is our own ID token (not an access or logout token), for this client where one is named.

    Its expiry is not looked at: OIDC Core 3.1.2.1 wants hints to work long after it.
    """
    try:
        claims = server.keyring.verify(text, typ=("JWT",), allow_retired=True).claims
    except JoseError:
        return None
    subject, audience, sid = claims.get("sub"), claims.get("aud"), claims.get("sid")
    if claims.get("iss") != server.issuer or not isinstance(subject, str) or not isinstance(audience, str):
        return None
    if client_id is not None and audience != client_id:
        return None
    return Hint(subject, sid if isinstance(sid, str) else None, audience)
