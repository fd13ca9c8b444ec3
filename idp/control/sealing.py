"""Applying clients of client_secret_jwt: which sealed secret goes with each hash of the file."""

from __future__ import annotations

import msgspec

from idp.control.errors import ControlError
from idp.protocol.client import Client
from idp.protocol.registration_keys import shortest_secret
from idp.server import Server
from idp.web.client_secrets import hash_secret, opens, seal_secret


def sealed(server: Server, asked: Client, before: Client | None, secret: str | None) -> Client:
    """``asked`` with its secrets sealed: as ``before`` has them, or anew from ``secret``, the one the file gives.

    The same secret sealed again would look like a change at every apply. Raises ControlError for a hash whose secret is
    nowhere: an HMAC cannot be checked by it.
    """
    if shortest_secret(asked) is None:
        return asked
    known = {} if before is None else dict(zip(before.secret_hashes, before.sealed_secrets, strict=False))
    given = None if secret is None else hash_secret(secret)
    found = []
    for hashed in asked.secret_hashes:
        held = known.get(hashed)
        if held is not None and opens(server, asked.client_id, held):
            found.append(held)
        elif secret is not None and hashed == given:
            found.append(seal_secret(server, asked.client_id, secret))
        else:
            raise _only_a_hash(asked)
    return msgspec.structs.replace(asked, sealed_secrets=tuple(found))


def _only_a_hash(client: Client) -> ControlError:
    return ControlError(
        "client_secret_jwt needs the secret itself: its hash checks no HMAC",
        received=f"client_secret_hashes of {client.client_id}, of a secret this database does not hold",
        expected="client_secret_file or client_secret",
        mend="give the secret, or register the client with token_endpoint_auth_method = \"private_key_jwt\" and keys",
    )
