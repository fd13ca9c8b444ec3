"""Whose key a request proves, and whether a token may come with it: for every way of binding tokens to keys.

A *binding* is such a way (DPoP, RFC 9449). What is bound stays bound when its binding is switched off: a token with
``cnf`` that nobody proves is refused.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request

from idp.protocol.client import Client
from idp.protocol.errors import Refused
from idp.protocol.holder import Holder
from idp.protocol.parameters import Parameters
from idp.protocol.request import Asked
from idp.server import Server
from idp.web.bearer import bearer_token, unauthorized
from idp.web.context import server_of

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)
_CHALLENGE = "WWW-Authenticate"


@dataclass(frozen=True, slots=True)
class Binding:
    """One way of binding. ``scheme`` is the Authorization scheme of its tokens.

    ``holder`` proves the key of a request for tokens, None where it shows none; ``missing`` is said where it had to.
    ``prove`` refuses a request whose token (its text and claims) does not come from its key's holder.
    ``challenge`` holds the parameters of its WWW-Authenticate, ``headers`` what goes along with an answer.
    """

    scheme: str
    holder: Callable[[Request, Server], Awaitable[Holder | None]]
    missing: Callable[[Server], Refused]
    prove: Callable[[Request, Server, str, Mapping[str, Any]], Awaitable[None]]
    challenge: Callable[[Server], str]
    headers: Callable[[Server], dict[str, str]]


class Presented(msgspec.Struct, frozen=True):
    """A token as it came: by a binding's scheme, or (None) by Bearer."""

    token: str
    binding: Binding | None = None

    def headers(self, server: Server) -> dict[str, str]:
        """What goes along with the answer."""
        return {} if self.binding is None else self.binding.headers(server)


def bindings_of(http: Request) -> tuple[Binding, ...]:
    found: tuple[Binding, ...] = http.app.state.bindings
    return found


async def proved_holder(http: Request, server: Server) -> Holder | None:
    """The key a request proves, if it shows one. Raises Refused for a proof that is none."""
    for binding in bindings_of(http):
        holder = await binding.holder(http, server)
        if holder is not None:
            return holder
    return None


async def key_holder(http: Request, client: Client, server: Server) -> Holder | None:
    """The key a token request proves. Raises Refused where the client's tokens are always bound and none is."""
    holder = await proved_holder(http, server)
    if holder is not None or not client.dpop_bound_access_tokens:
        return holder
    for binding in bindings_of(http):
        raise binding.missing(server)
    raise Refused(
        "unauthorized_client",
        "This client gets tokens that are bound to a key only, and this server binds none.",
        rule="RFC 9449 5.2",
        received=f"dpop_bound_access_tokens of client {client.client_id}",
        expected="a server with DPoP",
        mend="Switch DPoP on again, or take dpop_bound_access_tokens out of the client's registration.",
    )


def bound_request(asked: Asked, holder: Holder | None) -> Asked:
    """A pushed authorization request, its code bound to the key that signed the proof it came with (RFC 9449 10.1).

    A proof says the same as the parameter ``dpop_jkt``. Raises Refused where the two disagree.
    """
    if holder is None or holder.jkt is None:
        return asked
    named = asked.parameters.get("dpop_jkt")
    if named is None:
        bound = ("dpop_jkt", holder.jkt)
        parameters, sent = (Parameters([*part.pairs(), bound]) for part in (asked.parameters, asked.sent))
        return msgspec.structs.replace(asked, parameters=parameters, sent=sent)
    if named != holder.jkt:
        raise Refused(
            "invalid_dpop_proof",
            "dpop_jkt names another key than the one that signed the proof.",
            rule="RFC 9449 10.1",
            received="a proof of another key",
            expected="one key in both, or one of the two alone",
            mend="Leave dpop_jkt out of a pushed request that carries a proof.",
        )
    return asked


def answer_headers(http: Request, holder: Holder | None) -> dict[str, str]:
    """What goes along with the answer to a holder."""
    if holder is None:
        return {}
    server = server_of(http)
    return {name: value for binding in bindings_of(http) for name, value in binding.headers(server).items()}


def presented_token(http: Request, in_form: str | None = None) -> Presented:
    """The one token of a request, by Authorization header or form field. Raises Refused."""
    bindings, headers = bindings_of(http), http.headers.getlist("authorization")
    if len(headers) == 1 and in_form is None:
        scheme, _, token = headers[0].partition(" ")
        scheme = scheme.lower()
        for binding in bindings if scheme != "bearer" else ():
            if scheme == binding.scheme.lower() and _TOKEN.fullmatch(token):
                return Presented(token, binding)
    try:
        return Presented(bearer_token(headers, in_form))
    except Refused as refusal:
        raise _offering(refusal, bindings, server_of(http)) from None


async def require_holder(http: Request, server: Server, presented: Presented, claims: Mapping[str, Any]) -> None:
    """Refuse a bound token that comes without its key, and one that is not bound under a binding's scheme."""
    if presented.binding is not None:
        await presented.binding.prove(http, server, presented.token, claims)
    elif "cnf" in claims:
        refusal = unauthorized(
            "invalid_token",
            "The access token is bound to a key, and came without a proof of it.",
            received="a bound token as a bearer token",
            expected="the token together with a proof of its key (RFC 9449 7.1)",
        )
        raise _offering(refusal, bindings_of(http), server)


def in_its_scheme(refusal: Refused, presented: Presented, server: Server) -> Refused:
    """A refusal's challenge in the scheme the token came by (RFC 9449 7.1)."""
    challenge, binding = refusal.headers.get(_CHALLENGE, ""), presented.binding
    if binding is not None and challenge.startswith("Bearer "):
        rest = challenge.removeprefix("Bearer ")
        refusal.headers[_CHALLENGE] = f"{binding.scheme} {rest}, {binding.challenge(server)}"
    return refusal


def _offering(refusal: Refused, bindings: tuple[Binding, ...], server: Server) -> Refused:
    """RFC 9449 7.1: where both kinds of token are taken, both challenges are given."""
    if _CHALLENGE in refusal.headers:
        offered = [f"{binding.scheme} {binding.challenge(server)}" for binding in bindings]
        refusal.headers[_CHALLENGE] = ", ".join([refusal.headers[_CHALLENGE], *offered])
    return refusal
