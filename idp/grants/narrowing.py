"""What every grant does to its scope and resources: only ever narrower (RFC 6749 6, RFC 8707 2.2)."""

from __future__ import annotations

from collections.abc import Callable

from idp.protocol.errors import Refused, visible
from idp.protocol.parameters import Parameters
from idp.store.codes import Grant


def narrower(parameters: Parameters) -> Callable[[Grant], Refused | None]:
    """A check for the store's transaction: None, or why this request asks for more than was granted."""

    def check(grant: Grant) -> Refused | None:
        return _scope_beyond(parameters, grant) or _resource_beyond(parameters, grant)

    return check


def narrowed_scope(parameters: Parameters, granted: tuple[str, ...]) -> tuple[str, ...]:
    asked = parameters.words("scope")
    return tuple(word for word in granted if word in asked) if asked else granted


def narrowed_resources(parameters: Parameters, granted: tuple[str, ...]) -> tuple[str, ...]:
    asked = parameters.all("resource")
    return tuple(dict.fromkeys(asked)) if asked else granted


def _scope_beyond(parameters: Parameters, grant: Grant) -> Refused | None:
    beyond = [word for word in parameters.words("scope") if word not in grant.scope]
    if not beyond:
        return None
    return Refused(
        "invalid_scope",
        "The scope asks for more than was granted.",
        rule="RFC 6749 6",
        received=visible(" ".join(beyond)),
        expected=f"any of: {' '.join(grant.scope)}",
        mend="Ask the person again through the authorization endpoint.",
    )


def _resource_beyond(parameters: Parameters, grant: Grant) -> Refused | None:
    beyond = [uri for uri in parameters.all("resource") if uri not in grant.resources]
    if not beyond:
        return None
    return Refused(
        "invalid_target",
        "The resource was not part of the grant.",
        rule="RFC 8707 2.2",
        received=visible(" ".join(beyond), 400),
        expected=" or ".join(grant.resources) or "no resource parameter",
        mend="Name the resource in the authorization request too.",
    )
