"""Which client calls: exactly one method, and the one it registered (RFC 6749 2.3, RFC 7523 2.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote_plus

import msgspec
from starlette.requests import Request

from idp.protocol.client import Client
from idp.protocol.errors import Refused, invalid_client, visible
from idp.protocol.parameters import Parameters
from idp.server import Server
from idp.web.context import network_of, web_of

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NO_SECRET = (hashlib.sha256(b"no client has this secret").digest(),)


class Presented(msgspec.Struct, frozen=True):
    """What a request shows of its client, before anything of it is believed."""

    method: str  # as registered: client_secret_basic, _post or _jwt, private_key_jwt, none
    client_id: str
    secret: str | None = None
    assertion: str | None = None


Prove = Callable[[Presented, Client, Server], Awaitable[None]]


async def authenticate(http: Request, parameters: Parameters, server: Server, methods: Mapping[str, Prove]) -> Client:
    """The proved client. Raises Refused: invalid_client (401), or invalid_request where two methods are mixed."""
    presented = _presented(http, parameters)
    client = await server.client(presented.client_id, lambda: network_of(http))
    if client is not None:
        http.scope["idp.client"] = client  # CORS answers the calling client's own origins
    guessable = client is None or client.token_endpoint_auth_method != "none"
    failures = web_of(http).client_failures
    if guessable:
        failures.refuse_guessing(http, client, presented.client_id)
    try:
        proved = await _proved(presented, client, server, methods)
    except Refused as refusal:
        if guessable and refusal.status == 401:
            failures.note(http, client)
        raise
    http.scope["idp.proved"] = not proved.public
    return proved


async def _proved(presented: Presented, client: Client | None, server: Server, methods: Mapping[str, Prove]) -> Client:
    if client is None or client.disabled or presented.method not in methods:
        if presented.secret is not None:
            _secret_matches(_NO_SECRET, presented.secret)
        raise invalid_client(
            "The client is unknown, disabled, or its credentials are wrong.",
            received=f"client_id {visible(presented.client_id)}",
            expected="a registered, enabled client",
            mend="idp client list shows the registered clients.",
        )
    if presented.method != client.token_endpoint_auth_method:
        raise invalid_client(
            "The client is unknown, disabled, or its credentials are wrong.",
            received=f"{presented.method} from client {client.client_id}",
            expected=client.token_endpoint_auth_method,
            mend="Set the client library to the registered token_endpoint_auth_method, or change the registration.",
        )
    await methods[presented.method](presented, client, server)
    return client


def _presented(http: Request, parameters: Parameters) -> Presented:
    basic = http.headers.getlist("authorization")
    secret, assertion = parameters.get("client_secret"), parameters.get("client_assertion")
    if len(basic) + (secret is not None) + (assertion is not None) > 1:
        raise Refused(
            "invalid_request",
            "The client authenticated in more than one way.",
            rule="RFC 6749 2.3",
            received="two of Authorization header, client_secret, client_assertion",
            expected="one method a request",
            mend="Remove the credentials of the method the client is not registered for.",
        )
    client_id = parameters.get("client_id")
    if basic:
        name, secret = _basic(basic[0])
        if client_id not in (None, name):
            raise _mismatch(client_id or "", name)
        return Presented("client_secret_basic", name, secret=secret)
    if assertion is not None:
        return _assertion(parameters, assertion, client_id)
    if client_id is None:
        raise invalid_client(
            "The request does not say which client it comes from.",
            received="neither an Authorization header nor client_id",
            expected="client authentication",
            mend="Send Basic credentials, or client_id in the body for a public client; never in the URL.",
        )
    if secret is not None:
        return Presented("client_secret_post", client_id, secret=secret)
    return Presented("none", client_id)


def _assertion(parameters: Parameters, assertion: str, client_id: str | None) -> Presented:
    from idp.jose import JoseError, read_unverified
    from idp.jose.shared_secret import MAC_ALGORITHMS

    if parameters.get("client_assertion_type") != ASSERTION_TYPE:
        raise invalid_client(
            "client_assertion_type is not the JWT bearer type.",
            received=visible(parameters.get("client_assertion_type") or "none"),
            expected=ASSERTION_TYPE,
            mend="Send client_assertion_type as it stands here, percent-encoded once.",
        )
    try:
        token = read_unverified(assertion)
    except JoseError as error:
        raise invalid_client(
            "The client assertion is not a signed JWT.",
            received=str(error),
            expected="a signed JWT whose iss and sub are the client_id",
            mend="Have the client library sign the assertion; idp decode TOKEN shows what is inside.",
        ) from None
    subject = token.claims.get("sub")
    if not isinstance(subject, str):
        raise invalid_client(
            "The client assertion names no client.",
            received="no sub",
            expected="iss = sub = client_id",
            mend="Set iss and sub of the assertion to the client_id.",
        )
    if client_id not in (None, subject):
        raise _mismatch(client_id or "", subject)
    # The two are told apart by the kind of algorithm, and which of them counts is the registration's to say: a client
    # that registered keys never has an HMAC looked at.
    method = "client_secret_jwt" if token.header["alg"] in MAC_ALGORITHMS else "private_key_jwt"
    return Presented(method, subject, assertion=assertion)


def _basic(header: str) -> tuple[str, str]:
    """RFC 7617 over RFC 6749 2.3.1: both halves are form-encoded before they are joined."""
    scheme, _, encoded = header.partition(" ")
    try:
        if scheme.lower() != "basic" or len(encoded) > 8192:
            raise ValueError
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
        name, colon, secret = text.partition(":")
        if not colon or not name or not secret or "\0" in text:
            raise ValueError
        return unquote_plus(name, errors="strict"), unquote_plus(secret, errors="strict")
    except (ValueError, binascii.Error):
        raise invalid_client(
            "The Authorization header holds no Basic credentials.",
            received=f"scheme {visible(scheme, 20)}",
            expected="Basic base64(client_id:client_secret), both form-encoded first",
            mend="curl -u CLIENT_ID:CLIENT_SECRET ...",
        ) from None


def _mismatch(client_id: str, name: str) -> Refused:
    return Refused(
        "invalid_request",
        "client_id names another client than the credentials.",
        rule="RFC 7521 4.2",
        received=f"client_id {visible(client_id)}, credentials of {visible(name)}",
        expected="the same client",
        mend="Leave client_id out of the body when the credentials name the client.",
    )


async def prove_secret(presented: Presented, client: Client, server: Server) -> None:
    """client_secret_basic and client_secret_post: any live secret, compared as hashes in constant time."""
    if presented.secret is None or not _secret_matches(client.secret_hashes or _NO_SECRET, presented.secret):
        raise invalid_client(
            "The client is unknown, disabled, or its credentials are wrong.",
            received=f"a wrong secret for client {client.client_id}",
            expected="a live secret of the client",
            mend=f"idp client secret add {client.client_id} makes a new one.",
        )


async def prove_nothing(presented: Presented, client: Client, server: Server) -> None:
    """``none``: a public client only names itself; what it may do is bound to codes, PKCE and rotation instead."""


def _secret_matches(hashes: tuple[bytes, ...], secret: str) -> bool:
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
    matches = [hmac.compare_digest(stored, digest) for stored in hashes]
    return any(matches)
