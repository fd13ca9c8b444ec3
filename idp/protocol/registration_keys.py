"""What a client registers of keys and signatures: its own, by value or by address, and those it wants from us."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from idp.config.problems import Problem
from idp.config.reach import Reach
from idp.jose.errors import JoseError
from idp.jose.public import PublicKey, is_public
from idp.jose.shared_secret import MAC_ALGORITHMS, least_octets
from idp.protocol.client import Client
from idp.protocol.registration_parts import MAX_ENTRIES, Flaw, algorithm_flaws, flaw
from idp.protocol.registration_uris import fetched_uri_problem

# By method: what a client may sign its assertions with (OIDC Core 9).
ASSERTION_ALGORITHMS: Mapping[str, tuple[str, ...]] = {
    "private_key_jwt": ("RS256", "PS256", "ES256", "EdDSA"),
    "client_secret_jwt": MAC_ALGORITHMS,
}
_SIGNED_FOR_IT = (
    "id_token_signed_response_alg",
    "access_token_signed_response_alg",
    "authorization_signed_response_alg",
    "userinfo_signed_response_alg",
    "introspection_signed_response_alg",
)


def key_flaws(client: Client, reach: Reach) -> Iterator[Flaw]:
    """The client's own keys, and how it signs with them."""
    method = client.token_endpoint_auth_method
    if client.jwks is not None and client.jwks_uri is not None:
        rule = "keys by value or by address (RFC 7591 2)"
        yield flaw("jwks_uri", rule, client.jwks_uri, "jwks or jwks_uri, not both", "keep one of them")
    elif method == "private_key_jwt" and client.jwks is None and client.jwks_uri is None:
        rule = "private_key_jwt needs the client's public keys"
        yield flaw("jwks", rule, "no jwks and no jwks_uri", "jwks or jwks_uri", "add jwks_uri, or the keys as jwks")
    if client.jwks is not None:
        yield from key_set_flaws(client.jwks)
    problem = None if client.jwks_uri is None else fetched_uri_problem(client.jwks_uri, reach)
    if problem is not None:
        yield Flaw(member="jwks_uri", problem=problem)
    signing, known = client.token_endpoint_auth_signing_alg, ASSERTION_ALGORITHMS.get(method, ())
    if signing is not None and signing not in known:
        yield flaw(
            "token_endpoint_auth_signing_alg",
            "the algorithm of the client's assertions",
            signing,
            f"one of {', '.join(known)}, with {method}" if known else f"none with {method}",
            "correct it or take it out",
        )
    if client.sealed_secrets and (method != "client_secret_jwt" or _unequal(client)):
        rule = "sealed secrets belong to client_secret_jwt, one for each hash"
        yield flaw("sealed_secrets", rule, "(hidden)", "none", "take the line out: the server keeps it")


def signing_flaws(client: Client, algorithms: Collection[str]) -> Iterator[Flaw]:
    """What the client wants signed, by ``algorithms`` this server has keys for."""
    for member in _SIGNED_FOR_IT:
        value = getattr(client, member)
        if value is not None:
            yield from algorithm_flaws(member, value, algorithms)


def shortest_secret(client: Client) -> int | None:
    """Octets a secret must have where it keys an HMAC (OIDC Core 10.1, RFC 7518 3.2); None where it does not."""
    if client.token_endpoint_auth_method != "client_secret_jwt":
        return None
    pinned = client.token_endpoint_auth_signing_alg
    return least_octets(pinned if pinned in MAC_ALGORITHMS else "HS256")


def _unequal(client: Client) -> bool:
    return len(client.sealed_secrets) != len(client.secret_hashes)


def _for_encryption(key: object) -> bool:
    """A public key for another use, to be passed over (RFC 7517 5)."""
    return isinstance(key, dict) and key.get("use") == "enc" and key.get("kty") != "oct" and is_public(key)


def key_set_flaws(jwks: dict[str, Any]) -> Iterator[Flaw]:
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_ENTRIES:
        expected = f'{{"keys": [...]}} with 1 to {MAX_ENTRIES} keys'
        yield flaw("jwks", "a key set holds keys (RFC 7517 5)", sorted(jwks), expected, "complete it")
        return
    signing = [key for key in keys if not _for_encryption(key)]
    if not signing:
        yield flaw("jwks", "a client registers signature keys", "encryption keys alone", "a signature key", "add one")
    for key in signing:
        try:
            PublicKey.from_jwk(key)
        except JoseError as error:
            problem = Problem(
                rule="a client registers public signature keys (RFC 7517)",
                received=str(error),
                expected="RSA of 2048 bits or more, P-256 or Ed25519",
                mend="replace the key",
            )
            yield Flaw(member="jwks", problem=problem)
