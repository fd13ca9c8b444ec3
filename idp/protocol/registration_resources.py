"""What a scope or a resource server must be before it is stored (RFC 6749 3.3, RFC 8707 2)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from idp.protocol.claims import CLAIMS, STANDARD_SCOPES
from idp.protocol.client import Resource, Scope
from idp.protocol.registration_parts import (
    ALGORITHMS,
    MAX_TOKEN_LIFETIME,
    Flaw,
    algorithm_flaws,
    flaw,
    out_of_bounds,
    scope_word_flaws,
    text_flaws,
)
from idp.protocol.registration_uris import resource_problem


def scope_flaws(scope: Scope) -> tuple[Flaw, ...]:
    """A scope of the operator's own."""
    return tuple(_scope(scope))


def resource_flaws(resource: Resource, *, algorithms: Collection[str] = ALGORITHMS) -> tuple[Flaw, ...]:
    """A resource server's entry."""
    return tuple(_resource(resource, algorithms))


def _scope(scope: Scope) -> Iterator[Flaw]:
    if scope.name in STANDARD_SCOPES:
        yield flaw(
            "name",
            "the standard scopes mean what OpenID Connect says (Core 5.4)",
            scope.name,
            "a name of your own",
            "rename it, or take the table out",
        )
    if not scope.name or len(scope.name) > 255:
        yield flaw("name", "a scope has a name", scope.name, "1 to 255 characters", "name it")
    yield from scope_word_flaws("name", [scope.name] if scope.name else [])
    yield from text_flaws("description", scope.description)
    for index, claim in enumerate(scope.claims):
        if claim not in CLAIMS:
            yield flaw(
                "claims",
                "a claim that people have here",
                claim,
                f"some of {', '.join(CLAIMS)}",
                "correct it",
                index,
            )


def _resource(resource: Resource, algorithms: Collection[str]) -> Iterator[Flaw]:
    problem = resource_problem(resource.uri)
    if problem is not None:
        yield Flaw(member="uri", problem=problem)
    yield from text_flaws("name", resource.name)
    for index, word in enumerate(resource.scopes):
        for found in scope_word_flaws("scopes", [word]):
            yield msgspec.structs.replace(found, index=index)
    if resource.access_token_signed_response_alg is not None:
        yield from algorithm_flaws(
            "access_token_signed_response_alg", resource.access_token_signed_response_alg, algorithms
        )
        if resource.access_token_format == "opaque":
            yield flaw(
                "access_token_signed_response_alg",
                "an opaque token is not signed",
                resource.access_token_signed_response_alg,
                "no algorithm, or JWTs",
                'take it out, or write access_token_format = "jwt"',
            )
    yield from out_of_bounds("access_token_lifetime", resource.access_token_lifetime, 1, MAX_TOKEN_LIFETIME)
