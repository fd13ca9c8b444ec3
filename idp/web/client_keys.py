"""A client's keys: which one of them may have signed what it sends."""

from __future__ import annotations

from collections.abc import Sequence

from idp.jose import JoseError, PublicKey, Token
from idp.jose.compact import read_signed
from idp.jose.errors import shown
from idp.protocol.client import Client
from idp.server import Server


async def find_client_key(server: Server, client: Client, kid: object, alg: object) -> PublicKey | None:
    """The registered key of this ``kid``; without one, the only key that fits the algorithm."""
    fitting: list[PublicKey] = []
    for jwk in (client.jwks or {}).get("keys", []):
        if kid is not None and jwk.get("kid") != kid:
            continue
        try:
            key = PublicKey.from_jwk(jwk, None if "alg" in jwk else str(alg))
        except JoseError:
            continue
        if key.alg == alg:
            fitting.append(key)
    return fitting[0] if len(fitting) == 1 else None


async def signed_by_client(
    server: Server, client: Client, text: str, *, algorithms: Sequence[str], typ: Sequence[str]
) -> Token:
    """The token, its signature proved by a key of the client; ``verify_compact`` has the rules. Raises JoseError."""
    signed = read_signed(text, algorithms=algorithms, typ=typ)
    header = signed.token.header
    key = await find_client_key(server, client, header.get("kid"), header["alg"])
    if key is None:
        raise JoseError("unknown_key", f'no key is known for kid "{shown(header.get("kid", "(none)"))}"')
    return signed.proved_by(key)
