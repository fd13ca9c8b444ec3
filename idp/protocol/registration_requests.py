"""What a client's registration says of its authorization requests (RFC 9101 10.5, OIDC Registration 2)."""

from __future__ import annotations

from collections.abc import Iterator

from idp.protocol.client import Client
from idp.protocol.registration_keys import ASSERTION_ALGORITHMS
from idp.protocol.registration_parts import Flaw, flaw, repeated
from idp.protocol.registration_uris import request_uri_problem

_ALGORITHMS = ASSERTION_ALGORITHMS["private_key_jwt"]


def request_flaws(client: Client) -> Iterator[Flaw]:
    """A client signs with a key of its own; ``none`` is never among the algorithms."""
    alg, has_keys = client.request_object_signing_alg, client.jwks is not None or client.jwks_uri is not None
    if alg is not None and alg not in _ALGORITHMS:
        yield flaw(
            "request_object_signing_alg",
            "the algorithm of signed request objects",
            alg,
            f"one of {', '.join(_ALGORITHMS)}",
            "correct it or take it out; unsigned objects are never taken",
        )
    if (alg is not None or client.require_signed_request_object) and not has_keys:
        yield flaw(
            "jwks",
            "a client that signs its requests registers its public keys (RFC 9101 10.2)",
            "no jwks and no jwks_uri",
            "the client's public keys",
            "add jwks_uri, or the keys as jwks",
        )
    for index, uri in enumerate(client.request_uris):
        problem = request_uri_problem(uri)
        if problem is not None:
            yield Flaw(member="request_uris", index=index, problem=problem)
    yield from repeated("request_uris", client.request_uris)
