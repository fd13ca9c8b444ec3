"""private_key_jwt (RFC 7523 2.2, OIDC Core 9): the client proves a key of its own; each assertion counts once."""

from __future__ import annotations

from idp.grants.client_keys import verify_by_client_key
from idp.jose import JoseError
from idp.protocol.client import Client
from idp.protocol.registration_keys import ASSERTION_ALGORITHMS
from idp.server import Server
from idp.web.assertions import TYPES, accept_assertion, accepted_algorithms, refused
from idp.web.client_authentication import Presented

ALGORITHMS = ASSERTION_ALGORITHMS["private_key_jwt"]


async def prove_key(presented: Presented, client: Client, server: Server) -> None:
    """Signature by a key of the client, then the rules of ``assertions``."""
    algorithms = accepted_algorithms(client)
    try:
        token = await verify_by_client_key(
            server, client, presented.assertion or "", algorithms=algorithms, typ=TYPES
        )
    except JoseError as error:
        expected = f"a JWT signed with {' or '.join(algorithms)} by a key of the client"
        raise refused(client, str(error), expected) from None
    await accept_assertion(token.claims, client, server)
