"""The public keys of clients: registered by value (``jwks``), or fetched from where they keep them (``jwks_uri``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from idp.jose import Fetched, JoseError, KeySetCaches, PublicKey, Token
from idp.jose.compact import read_signed
from idp.jose.keyset import KeySet
from idp.outbound import Outbound
from idp.protocol.errors import Busy
from idp.server import Server


class KeyHolder(Protocol):
    """Who proves keys of their own: a client, or an issuer a client presents assertions of."""

    @property
    def jwks(self) -> dict[str, Any] | None: ...
    @property
    def jwks_uri(self) -> str | None: ...


_ACCEPT = "application/jwk-set+json, application/json"


def client_key_sets(outbound: Outbound, clock: Callable[[], float]) -> KeySetCaches:
    """The fetched sets of one process, by address: clients that share one share what is asked of it as well."""

    async def fetch(address: str) -> tuple[Fetched, int]:
        found = await outbound.get(address, _ACCEPT)
        headers = {name.lower(): value for name, value in found.headers.items()}
        return Fetched.from_http(found.status, headers, found.body, read=KeySet.of_client), len(found.body)

    return KeySetCaches(fetch, clock=clock)


async def find_client_key(
    server: Server, client: KeyHolder, kid: object, alg: object, *, besides: PublicKey | None = None
) -> PublicKey | None:
    """The client's key that ``kid`` names; without one, the only key that fits ``alg``. None where there is none.

    May fetch: never call it inside a transaction. Raises JoseError ``keys_unavailable`` (its text is the operator's,
    never the client's: it says how a stranger's address answered) and Busy where too many wait for fetches. ``besides``
    is a key this gave before and that proved nothing: a newer set may hold another.
    """
    if client.jwks_uri is None:
        found = _registered(client, kid, alg)
        return None if found == besides else found
    header = {"alg": alg} if kid is None else {"kid": kid, "alg": alg}
    try:
        return await server.client_keys.find(client.jwks_uri, header, besides)
    except JoseError as error:
        if error.reason == "unknown_key":
            return None
        if error.reason == "busy":
            raise Busy(1) from error
        raise


async def verify_by_client_key(
    server: Server, client: KeyHolder, text: str, *, algorithms: Sequence[str], typ: Sequence[str]
) -> Token:
    """A JWT proved by one of the client's keys; ``algorithms``, ``typ`` and JoseError as ``verify_compact``."""
    signed = read_signed(text, algorithms=algorithms, typ=typ)
    kid, alg = signed.token.header.get("kid"), signed.token.header["alg"]
    key = await find_client_key(server, client, kid, alg)
    if key is None:
        raise _unknown(kid, alg)
    try:
        return signed.proved_by(key)
    except JoseError:
        if kid is not None:
            raise
    # Without a kid a changed key looks like a wrong signature.
    newer = await find_client_key(server, client, kid, alg, besides=key)
    if newer is None:
        raise JoseError("signature", "the signature does not match the client's only key that fits it")
    return signed.proved_by(newer)


def _unknown(kid: object, alg: object) -> JoseError:
    named = "no kid" if kid is None else f"kid {ascii(kid)[:80]}"
    return JoseError("unknown_key", f"{named} and alg {alg} mean no key of the client")


def _registered(client: KeyHolder, kid: object, alg: object) -> PublicKey | None:
    keys: list[dict[str, Any]] = (client.jwks or {}).get("keys", [])
    if kid is not None:
        keys = [jwk for jwk in keys if jwk.get("kid") == kid] or [jwk for jwk in keys if "kid" not in jwk]
    fitting = [key for jwk in keys if (key := _read(jwk, alg)) is not None]
    return fitting[0] if len(fitting) == 1 else None


def _read(jwk: dict[str, Any], alg: object) -> PublicKey | None:
    try:
        key = PublicKey.from_jwk(jwk, None if "alg" in jwk else str(alg))
    except JoseError:
        return None
    return key if key.alg == alg else None
