"""Assertions of others that stand for people (RFC 7523 2.1): whose, and how they name the person."""

from __future__ import annotations

from collections.abc import Iterator

from idp.config.problems import Problem
from idp.config.reach import Reach
from idp.protocol.client import AssertionIssuer, Client
from idp.protocol.registration_keys import key_set_flaws
from idp.protocol.registration_parts import MAX_ENTRIES, Flaw, flaw
from idp.protocol.registration_uris import fetched_uri_problem

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def jwt_bearer_flaws(client: Client, reach: Reach) -> Iterator[Flaw]:
    """Trusting an issuer is said by name, with its keys: without that nobody's word counts."""
    if (GRANT_TYPE in client.grant_types) != bool(client.assertion_issuers) or (
        client.assertion_issuers and client.public
    ):
        yield flaw(
            "assertion_issuers",
            "assertions are taken from named issuers, of a client that can prove who it is (RFC 7523 2.1)",
            f"{len(client.assertion_issuers)} issuers, {client.token_endpoint_auth_method}",
            f"[[clients.assertion_issuers]] together with {GRANT_TYPE} among grant_types, and credentials",
            "write both or neither",
        )
    names = [trusted.issuer for trusted in client.assertion_issuers]
    if len(set(names)) < len(names) or len(names) > MAX_ENTRIES:
        expected = f"each once, at most {MAX_ENTRIES}"
        yield flaw("assertion_issuers", "each issuer once", names, expected, "join or remove entries")
    for index, trusted in enumerate(client.assertion_issuers):
        for problem in _problems(trusted, reach):
            yield Flaw(member="assertion_issuers", index=index, problem=problem)


def _problems(trusted: AssertionIssuer, reach: Reach) -> Iterator[Problem]:
    if not 0 < len(trusted.issuer) <= 2000 or not trusted.issuer.isprintable():
        yield Problem(
            rule="an issuer has a name", received=trusted.issuer[:80], expected="its iss, exactly", mend="correct it"
        )
    if (trusted.jwks is None) == (trusted.jwks_uri is None):
        received = "neither" if trusted.jwks is None else "both"
        yield Problem(
            rule="an issuer's keys by value or by address",
            received=received,
            expected="jwks or jwks_uri",
            mend="write one of them",
        )
    if trusted.jwks is not None:
        yield from (found.problem for found in key_set_flaws(trusted.jwks))
    problem = None if trusted.jwks_uri is None else fetched_uri_problem(trusted.jwks_uri, reach)
    if problem is not None:
        yield problem
