"""Operations on apps: add, list, disable, enable, remove, and two live secrets so that one can change without a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec

from idp.control.errors import ControlError, refusal
from idp.manifest import MAX_SECRETS
from idp.protocol.client import Client
from idp.protocol.client_documents import looks_like_document
from idp.protocol.registration import client_flaws
from idp.sector import check_sector
from idp.server import Server
from idp.settings_network import reach
from idp.store import registry, removal
from idp.store.client_documents import keep_out, kept_out, let_in
from idp.web.client_secrets import hash_secret, new_secret, with_secret, without_secret

_HEARD = 1.0  # seconds in which every node has heard of a change (decision 17)

_PAGE = 500


async def add(server: Server, client: dict[str, Any]) -> dict[str, Any]:
    """Register a client; a confidential one gets a secret, which is shown this once."""
    try:
        asked = msgspec.convert(client, Client)
    except msgspec.ValidationError as error:
        raise ControlError("client metadata", received=str(error), mend="idp client add --help") from None
    if await server.registered_client(asked.client_id) is not None:
        raise ControlError(
            "each client_id once", received=asked.client_id, expected="a free client_id", mend="idp client list"
        )
    secret = None
    if asked.token_endpoint_auth_method.startswith("client_secret_"):
        secret = new_secret(server, asked)
        asked = with_secret(server, msgspec.structs.replace(asked, secret_hashes=(), sealed_secrets=()), secret)
    flaws = client_flaws(
        asked,
        algorithms=server.settings.keys.algorithms,
        grant_types=tuple(server.grants),
        response_types=sorted(server.response_types),
        reach=reach(server.settings),
        profile=server.settings.profile,
    )
    for flaw in flaws or await check_sector(server, asked):
        raise refusal(flaw)
    await server.database.write(registry.put_client, server.journal, asked, server.now())
    return {"client_id": asked.client_id, "client_secret": secret, "client": _shown(asked)}


async def every(server: Server) -> AsyncIterator[Client]:
    """All of them, read in pages."""
    after = ""
    while page := await server.database.read(registry.client_page, after, _PAGE):
        for client in page:
            yield client
        after = page[-1].client_id


async def listing(server: Server, after: str = "", limit: int = 100) -> dict[str, Any]:
    """A page by client_id, behind ``after``; ``more`` says whether another follows."""
    found = await server.database.read(registry.client_page, after, limit + 1)
    return {"clients": [_shown(client) for client in found[:limit]], "more": len(found) > limit}


async def disable(server: Server, client_id: str) -> dict[str, Any]:
    """Requests and tokens of the client are refused at our endpoints; its grants stay for when it is enabled."""
    if looks_like_document(client_id) and server.client_sources and await server.registered_client(client_id) is None:
        return _shown(await server.database.write(keep_out, server.journal, client_id, server.now()))
    return await _switch(server, client_id, disabled=True, event="client.disabled")


async def enable(server: Server, client_id: str) -> dict[str, Any]:
    """An app that was kept out before it was ever registered goes back to being what its document says."""
    if looks_like_document(client_id) and await server.database.write(let_in, server.journal, client_id, server.now()):
        return _shown(msgspec.structs.replace(kept_out(client_id), disabled=False))
    return await _switch(server, client_id, disabled=False, event="client.changed", changed=["disabled"])


async def _switch(server: Server, client_id: str, *, disabled: bool, event: str, **detail: Any) -> dict[str, Any]:
    def change(client: Client) -> Client:
        return msgspec.structs.replace(client, disabled=disabled)

    return _shown(await _change(server, client_id, change, event, **detail))


async def secrets(server: Server, client_id: str) -> dict[str, Any]:
    """The ids of the live secrets, the newest first. An id is the beginning of the secret's hash: no secret."""
    found = _with_secrets(await _found(server, client_id))
    return {"client_id": client_id, "secrets": _ids(found)}


async def add_secret(server: Server, client_id: str) -> dict[str, Any]:
    """A second secret, shown this once; the one before stays valid until it is retired."""
    secret = new_secret(server, _with_secrets(await _found(server, client_id)))

    def change(client: Client) -> Client:
        if len(_with_secrets(client).secret_hashes) >= MAX_SECRETS:
            raise ControlError(
                "two secrets at a time",
                received=f"{client_id} has {' and '.join(_ids(client))}",
                expected="one secret, and room for the one to come",
                mend=f"idp client secret retire {client_id} --older, once the app uses the newer one",
            )
        return with_secret(server, client, secret)

    made = secret_id(hash_secret(secret))
    changed = await _change(server, client_id, change, "client.secret_added", secret=made)
    kept = "sealed" if changed.sealed_secrets else "hash"
    return {"client_id": client_id, "client_secret": secret, "secrets": _ids(changed), "kept": kept}


async def retire_secret(server: Server, client_id: str, secret: str | None = None) -> dict[str, Any]:
    """End the secret whose id begins so; without one the older of two. The last one stays: disabling is for that."""
    chosen = _chosen(_with_secrets(await _found(server, client_id)), secret)

    def change(client: Client) -> Client:
        left = without_secret(client, chosen)
        if not left.secret_hashes:
            raise ControlError(
                "an app that authenticates by secret has one",
                received=f"{secret_id(chosen)} is the only one of {client_id}",
                expected="another live secret",
                mend=f"idp client secret add {client_id} first, or idp client disable {client_id}",
            )
        return left

    changed = await _change(server, client_id, change, "client.secret_retired", secret=secret_id(chosen))
    return {"client_id": client_id, "retired": secret_id(chosen), "secrets": _ids(changed)}


async def remove(server: Server, client_id: str) -> dict[str, Any]:
    """The client and everything of it: grants revoked, so that a later client of this name inherits nothing.

    Disabled first, and only gone through once every node has heard of that: nothing new is issued meanwhile. Broken
    off in between, the client is left disabled, and the command can be given again.
    """
    await disable(server, client_id)
    await server.reload_registry()
    await asyncio.sleep(_HEARD)
    counts = dict.fromkeys(removal.OF_A_CLIENT, 0)
    for name in removal.OF_A_CLIENT:
        after: str | None = ""
        while after is not None:
            after, count = await server.database.write(removal.forget_page, name, [client_id], after, server.now())
            counts[name] += count
            await asyncio.sleep(0)
    await server.database.write(removal.remove_client, server.journal, client_id, server.now(), counts["grants"])
    return {"client_id": client_id, "grants_revoked": counts["grants"], "consents": counts["consents"]}


def secret_id(hashed: bytes) -> str:
    """What a secret is called where it must not be shown."""
    return hashed.hex()[:8]


async def _change(
    server: Server, client_id: str, change: Callable[[Client], Client], event: str, **detail: Any
) -> Client:
    changed = await server.database.write(
        registry.change_client, server.journal, client_id, change, server.now(), event, detail
    )
    if changed is None:
        raise _unknown(client_id)
    return changed


async def _found(server: Server, client_id: str) -> Client:
    await server.reload_registry()
    found = await server.registered_client(client_id)
    if found is None:
        raise _unknown(client_id)
    return found


def _unknown(client_id: str) -> ControlError:
    return ControlError("the client exists", received=client_id, expected="a client_id", mend="idp client list")


def _with_secrets(client: Client) -> Client:
    if not client.token_endpoint_auth_method.startswith("client_secret"):
        raise ControlError(
            "a client that authenticates with a secret",
            received=f"{client.client_id} uses {client.token_endpoint_auth_method}",
            expected="client_secret_basic, client_secret_post or client_secret_jwt",
            mend="change token_endpoint_auth_method in the apply file first",
        )
    return client


def _chosen(client: Client, prefix: str | None) -> bytes:
    if prefix is None:
        return client.secret_hashes[-1]
    found = [hashed for hashed in client.secret_hashes if prefix and hashed.hex().startswith(prefix.lower())]
    if len(found) != 1:
        raise ControlError(
            "an id names one secret",
            received=prefix,
            expected=" or ".join(_ids(client)),
            mend=f"idp client secret list {client.client_id}",
        )
    return found[0]


def _ids(client: Client) -> list[str]:
    return [secret_id(hashed) for hashed in client.secret_hashes]


def _shown(client: Client) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(client)
    for hidden in ("secret_hashes", "sealed_secrets"):
        members.pop(hidden, None)
    return {**members, "secrets": len(client.secret_hashes)}
