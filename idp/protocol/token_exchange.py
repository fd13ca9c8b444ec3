"""Who may act for whom (RFC 8693): an exchanged token only ever says less than the one it was given for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idp.protocol.client import Client
from idp.protocol.errors import Refused, visible
from idp.protocol.parameters import Parameters

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT = "urn:ietf:params:oauth:token-type:jwt"
_TYPES = (ACCESS_TOKEN, JWT)
# Each link is a service that called the next one; a chain without end would be a header without end.
MAX_ACTORS = 4


def check_types(parameters: Parameters) -> None:
    """Raises Refused unless it is access tokens that are shown and asked for (RFC 8693 2.1)."""
    shown = ["subject_token_type"] + ["actor_token_type"] * (parameters.get("actor_token") is not None)
    for name in shown:
        _one_of(name, parameters.require(name), _TYPES)
    if parameters.get("actor_token") is None and parameters.get("actor_token_type") is not None:
        raise _refused("actor_token_type came without actor_token.", "no actor_token", "both or neither")
    asked = parameters.get("requested_token_type")
    if asked is not None:
        _one_of("requested_token_type", asked, _TYPES)


def narrowed_scope(parameters: Parameters, held: tuple[str, ...], client: Client) -> tuple[str, ...]:
    """Words of the subject token that this client may have itself. Raises Refused for any other."""
    allowed = tuple(word for word in held if word in client.scopes)
    asked = parameters.words("scope")
    beyond = [word for word in asked if word not in allowed]
    if beyond:
        raise Refused(
            "invalid_scope",
            "The scope asks for more than the subject token and this client hold together.",
            rule="RFC 8693 2.1",
            received=visible(" ".join(beyond)),
            expected=f"any of: {' '.join(allowed) or 'none'}",
            mend="Have the app ask the person for that scope, and add it to this client's own.",
        )
    return asked or allowed


def actors(client: Client, subject: Mapping[str, Any], actor: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The ``act`` member (4.1): the one that acts now, around those that acted before. Raises Refused.

    Without an actor token the client stands for itself: it impersonates where that is allowed by name, and is named as
    the one who acts everywhere else. Who acted before is never left out.
    """
    before = subject.get("act") if isinstance(subject.get("act"), Mapping) else None
    if actor is None and "impersonation" in client.token_exchange:
        return before
    if "delegation" not in client.token_exchange:
        raise Refused(
            "unauthorized_client",
            "This client may not act for people in that way.",
            rule="RFC 8693 1.1",
            received="an actor_token" if actor is not None else "no actor_token",
            expected="delegation among token_exchange of the client",
            mend=f"Add delegation to token_exchange of client {client.client_id} and run idp apply FILE.",
        )
    now = {"sub": client.client_id} if actor is None else {"sub": actor["sub"], "client_id": actor["client_id"]}
    chain: Mapping[str, Any] = now if before is None else {**now, "act": before}
    if _length(chain) > MAX_ACTORS:
        raise _refused("Too many services act one for another.", f"{_length(chain)} of them", f"at most {MAX_ACTORS}")
    return chain


def _length(chain: Mapping[str, Any]) -> int:
    inner = chain.get("act")
    return 1 + (_length(inner) if isinstance(inner, Mapping) else 0)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise _refused(f"{name} is not one that is exchanged here.", visible(value), " or ".join(known))


def _refused(description: str, received: str, expected: str) -> Refused:
    return Refused(
        "invalid_request",
        description,
        rule="RFC 8693 2.1",
        received=received,
        expected=expected,
        mend="Send an access token of this server that this client was shown, with its type.",
    )
