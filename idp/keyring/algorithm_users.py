"""Who still asks for signatures of an algorithm that was taken out of ``keys.algorithms``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection

from idp.keyring.errors import KeyringError
from idp.protocol.client import Client, Resource
from idp.store import registry
from idp.store.database import Store

_PAGE = 500
_SHOWN = 5
_MEMBERS = (
    "id_token_signed_response_alg",
    "access_token_signed_response_alg",
    "userinfo_signed_response_alg",
    "introspection_signed_response_alg",
)


class AlgorithmInUse(KeyringError):
    """An algorithm was taken out while clients or resources are registered for it: their tokens could not be signed."""


async def refuse_orphans(database: Store, taken_out: Collection[str], left: Collection[str]) -> None:
    """Raises AlgorithmInUse if anybody is registered for one of ``taken_out``.

    Reads every client: for a start at which keys of such an algorithm are still there, which is once in a while.
    """
    if taken_out:
        refuse(await orphans(database, taken_out), left)


def refuse(found: Collection[str], left: Collection[str]) -> None:
    if found:
        shown = list(found)[:_SHOWN]
        more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
        raise AlgorithmInUse(
            "every algorithm that a client or resource is registered for is in keys.algorithms",
            "; ".join(shown) + more,
            f"algorithms among {', '.join(left)}",
            "put the algorithm back into keys.algorithms, or change them: idp apply FILE",
        )


async def orphans(database: Store, taken_out: Collection[str]) -> list[str]:
    """What is registered for one of ``taken_out``, as ``client shop: id_token_signed_response_alg EdDSA``."""
    resources = (await database.read(registry.load_resources)).values()
    found = [line for resource in resources for line in _wanted(resource, resource.uri, taken_out)]
    async for client in _clients(database):
        if not client.disabled:
            found += _wanted(client, client.client_id, taken_out)
    return found


async def _clients(database: Store) -> AsyncIterator[Client]:
    after = ""
    while page := await database.read(registry.client_page, after, _PAGE):
        for client in page:
            yield client
        after = page[-1].client_id


def _wanted(entry: Client | Resource, name: str, taken_out: Collection[str]) -> list[str]:
    kind = "client" if isinstance(entry, Client) else "resource"
    return [
        f"{kind} {name}: {member} {value}"
        for member in _MEMBERS
        if (value := getattr(entry, member, None)) in taken_out
    ]
