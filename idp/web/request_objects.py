"""Request objects (RFC 9101): all of a request in a JWT the client signed, sent along or fetched from where it says."""

from __future__ import annotations

import msgspec

from idp.grants.client_keys import verify_by_client_key
from idp.jose import JoseError
from idp.jose.compact import MAX_TOKEN
from idp.outbound import OutboundError
from idp.protocol.client import Client
from idp.protocol.errors import Refused, visible
from idp.protocol.fapi2 import signing_algorithms
from idp.protocol.parameters import Parameters
from idp.protocol.registration_uris import MAX_REQUEST_URI
from idp.protocol.request import OBJECT, PUSHED, Asked
from idp.protocol.request_objects import TYPES, answered_once, check_claims, kept_beside, parameters_of, refusal
from idp.server import Server
from idp.web.private_key_jwt import ALGORITHMS
from idp.web.sources import refuse_both

_ACCEPT = "application/oauth-authz-req+jwt, application/jwt;q=0.9, */*;q=0.1"


async def read_object(server: Server, asked: Asked, began: float) -> Asked:
    """The source: inside the object stands the whole request, what came beside it means nothing (RFC 9101 5, 6.3)."""
    parameters = asked.parameters
    text, uri = parameters.get("request"), parameters.get("request_uri")
    if text is None and uri is None:
        return _as_it_was_read(asked)
    refuse_both(parameters)
    client = await server.client(parameters.get("client_id"))
    if client is None or client.disabled:
        return asked  # whoever looks for the target next says so
    claims = await _proved(server, client, text if uri is None else await _fetched(server, client, uri))
    inner = parameters_of(claims)
    # One that is fetched may be meant for many: only an object sent along is one client's request of one moment.
    beside = kept_beside(claims) if uri is None else []
    sent = Parameters([*inner.pairs(), *beside])
    return _as_it_was_read(msgspec.structs.replace(asked, parameters=inner, sent=sent, via=asked.via | {OBJECT}))


def _as_it_was_read(asked: Asked) -> Asked:
    """An object is read and checked once; from then on a page that waits keeps what it said, sealed."""
    if OBJECT not in asked.via or PUSHED in asked.via:
        return asked  # a pushed request's own handle counts once
    return msgspec.structs.replace(asked, once=answered_once(asked.sent))


async def _proved(server: Server, client: Client, text: str | None) -> dict[str, object]:
    pinned = client.request_object_signing_alg
    algorithms = signing_algorithms(client, ALGORITHMS if pinned is None else (pinned,))
    try:
        token = await verify_by_client_key(server, client, text or "", algorithms=algorithms, typ=TYPES)
    except JoseError as error:
        expected = f"a JWT signed with {' or '.join(algorithms)} by a registered key of client {client.client_id}"
        raise refusal("it is not signed as it has to be", str(error), expected) from None
    check_claims(token.claims, client, server.issuer, server.now())
    return dict(token.claims)


async def _fetched(server: Server, client: Client, uri: str) -> str:
    """The document at a registered address; nothing else is ever called (RFC 9101 10.4)."""
    base, _, fragment = uri.partition("#")
    if len(uri) > MAX_REQUEST_URI or not _registered(client, uri, base):
        expected = "an address among request_uris of the client" if client.request_uris else "no request_uri"
        raise _unreachable(client, f"request_uri {visible(uri, 200)}, which is not registered", expected)
    try:
        answer = await server.request_uris.get(
            base, fragment, server.now(), lambda: server.outbound.get(base, _ACCEPT, MAX_TOKEN)
        )
    except OutboundError as error:
        raise _unreachable(client, f"{visible(base, 200)}: {error}", "a document there, within 5 s") from None
    if answer.status != 200:
        raise _unreachable(client, f"{visible(base, 200)}: status {answer.status}", "200; redirects are not followed")
    return answer.body.decode("ascii", "replace").strip()


def _registered(client: Client, uri: str, base: str) -> bool:
    """Letter by letter; a fragment tells versions of one document apart (OIDC Core 6.2) and may be any."""
    return uri in client.request_uris or base in (known.partition("#")[0] for known in client.request_uris)


def _unreachable(client: Client, received: str, expected: str) -> Refused:
    return Refused(
        "invalid_request_uri",
        "The request_uri is not registered, or there is no request object at it.",
        rule="RFC 9101 5.2, 6.1",
        received=received,
        expected=expected,
        mend=f"Register the address in request_uris of client {client.client_id}, or push the request to /par.",
    )
