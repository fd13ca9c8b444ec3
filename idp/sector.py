"""The document behind a ``sector_identifier_uri``, read once: when the client is registered or changed."""

from __future__ import annotations

from idp.jose import JoseError
from idp.jose.json import loads_strict
from idp.outbound import OutboundError
from idp.protocol.client import Client
from idp.protocol.registration_parts import Flaw
from idp.protocol.registration_subjects import sector_flaw, sector_flaws
from idp.server import Server

_EXPECTED = "status 200 with a JSON array of redirect URIs, over https"


async def check_sector(server: Server, client: Client) -> tuple[Flaw, ...]:
    """Why ``client`` is not a member of the sector it names (OIDC Registration 5); nothing where it names none.

    Whether it is pairwise is not asked: an address that names strangers is a mistake either way."""
    uri = client.sector_identifier_uri
    if uri is None:
        return ()
    try:
        answer = await server.outbound.get(uri, "application/json")
    except OutboundError as error:
        return (sector_flaw(client, f"no document ({error})", _EXPECTED),)
    if answer.status != 200:
        return (sector_flaw(client, f"status {answer.status}", _EXPECTED),)
    try:
        document = loads_strict(answer.body, 2)
    except JoseError as error:
        return (sector_flaw(client, f"no JSON ({error})", _EXPECTED),)
    return tuple(sector_flaws(client, document))
