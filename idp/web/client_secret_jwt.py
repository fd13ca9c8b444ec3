"""client_secret_jwt (OIDC Core 9): the client proves its secret without sending it; each assertion counts once."""

from __future__ import annotations

from idp.jose import JoseError
from idp.jose.shared_secret import verify_mac
from idp.protocol.client import Client
from idp.protocol.registration_keys import ASSERTION_ALGORITHMS
from idp.server import Server
from idp.web.assertions import TYPES, accept_assertion, accepted_algorithms, refused
from idp.web.client_authentication import Presented
from idp.web.client_secrets import opened_secrets

ALGORITHMS = ASSERTION_ALGORITHMS["client_secret_jwt"]


async def prove_mac(presented: Presented, client: Client, server: Server) -> None:
    """HMAC by any live secret of the client, then the rules of ``assertions``."""
    algorithms = accepted_algorithms(client)
    secrets = opened_secrets(server, client)
    try:
        token = verify_mac(presented.assertion or "", secrets, algorithms=algorithms, typ=TYPES)
    except JoseError as error:
        expected = f"a JWT with an HMAC ({' or '.join(algorithms)}) under a live secret of the client"
        raise refused(client, str(error), expected) from None
    await accept_assertion(token.claims, client, server)
