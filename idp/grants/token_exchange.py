"""grant_type=token-exchange (RFC 8693): a service that was shown a person's token asks for one to call the next."""

from __future__ import annotations

from idp.grants.presented import Accepted, accept, audiences, concerns
from idp.protocol.authorization import Authorization
from idp.protocol.checks import allowed_resources
from idp.protocol.client import Client
from idp.protocol.errors import Refused
from idp.protocol.holder import own_key
from idp.protocol.parameters import Parameters
from idp.protocol.token_exchange import ACCESS_TOKEN, actors, check_types, narrowed_scope
from idp.server import Server, TokenRequest
from idp.store.exchanges import Exchange, record_exchange


async def token_exchange(request: TokenRequest, server: Server) -> Authorization:
    """Tied to the grant of the token shown: whatever ends that one ends this one too (decision 18)."""
    client, parameters = request.client, request.parameters
    check_types(parameters)
    subject = await _shown(server, request, "subject_token")
    actor = None if parameters.get("actor_token") is None else await _shown(server, request, "actor_token")
    target = _target(parameters, client, server)
    scope = narrowed_scope(parameters, subject.scope, client)
    act = actors(client, subject.claims, None if actor is None else actor.claims)
    account, grant = subject.standing.account, subject.claims.get("grant")
    if account is None or grant is None:
        raise _refused(
            "subject_token",
            "a token a service got for itself",
            "a token of a person",
            "Use client_credentials: a service calls others in its own name.",
        )
    exchange = Exchange(
        client_id=client.client_id,
        account_id=account.id,
        grant_id=grant,
        shown_by=str(subject.claims["client_id"]),
        target=" ".join(target),
        actor="" if act is None else str(act["sub"]),
    )
    await server.database.write(record_exchange, server.journal, exchange, request.now)
    auth_time, acr = subject.claims.get("auth_time"), subject.claims.get("acr")
    return Authorization(
        client=client,
        scope=scope,
        audience=target,
        now=request.now,
        grant_type="token_exchange",
        grant_id=grant,
        account=account,
        auth_time=float(auth_time) if isinstance(auth_time, (int, float)) else None,
        # Whoever is pairwise stays so down the line, and how they signed in stays true.
        subject=str(subject.claims["sub"]),
        acr=acr if isinstance(acr, str) else None,
        act=act,
        issued_token_type=ACCESS_TOKEN,
        lifetime=subject.claims["exp"] - request.now,
    )


async def _shown(server: Server, request: TokenRequest, name: str) -> Accepted:
    """A live token that is this client's business: a service exchanges what it was sent, never what it found."""
    client = request.client
    accepted = await accept(server, request.parameters.require(name))
    if isinstance(accepted, str):
        raise _refused(name, accepted, "a live access token of this server", "Use the token of the request at hand.")
    if not concerns(client, accepted.claims):
        raise _refused(
            name,
            f"aud {' '.join(audiences(accepted.claims))}",
            f"aud {' or '.join(client.audiences) or '(no audiences are registered)'}, which this client serves",
            f"Add the resource to audiences of client {client.client_id}, if it serves it.",
        )
    if accepted.claims["client_id"] == client.client_id and not own_key(accepted.claims, request.holder):
        # Who was sent a bound token saw its proof; who was issued one gets no unbound one for it (RFC 9449 5).
        raise _refused(name, "its own token, without its key", "a DPoP proof of the token's key", "Send the proof too.")
    return accepted


def _target(parameters: Parameters, client: Client, server: Server) -> tuple[str, ...]:
    """``resource`` and ``audience`` (2.1) name the same things here: registered resource indicators."""
    named = parameters.get("audience")
    asked = (*parameters.all("resource"), *(() if named is None else (named,)))
    target = allowed_resources(asked, client, server.rules)
    if not target or server.issuer in target:
        raise Refused(
            "invalid_target",
            "Name the resource that is to be called.",
            rule="RFC 8693 2.2.2",
            received="the issuer itself" if target else "neither resource nor audience",
            expected=" or ".join(client.resources) or "a resource registered for this client",
            mend="Send resource=URI of the service that will get the token.",
        )
    return target


def _refused(name: str, received: str, expected: str, mend: str) -> Refused:
    """RFC 8693 2.2.2: an invalid subject or actor token is an invalid request."""
    return Refused(
        "invalid_request",
        f"The {name} cannot be exchanged by this client.",
        rule="RFC 8693 2.2.2",
        received=received,
        expected=expected,
        mend=mend,
    )
