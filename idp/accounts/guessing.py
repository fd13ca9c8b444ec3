"""Which buckets a try at signing in fills, and taking the place in them (decision 16; docs/limits.md)."""

from __future__ import annotations

import hmac
import ipaddress
import math
from collections.abc import Sequence

from idp.protocol.errors import Throttled
from idp.protocol.limits import Limit
from idp.server import Server
from idp.store import attempts
from idp.store.attempts import Bucket, Full

_LOOPBACK = ipaddress.ip_address("::1")


def account_bucket(server: Server, username: str) -> Bucket:
    """By the name as typed, known or not: what is limited tells nobody who exists."""
    limits = server.settings.limits
    return bucket_of(server, "account", username, Limit(limits.account, limits.account_window))


def device_bucket(server: Server, device_id: str) -> Bucket:
    limits = server.settings.limits
    return bucket_of(server, "device", device_id, Limit(limits.device, limits.account_window))


def strangers_buckets(server: Server, username: str, network: str) -> list[Bucket]:
    """What a try fills that comes from no known device."""
    limits = server.settings.limits
    everybody = bucket_of(server, "overall", "", Limit(limits.overall, limits.overall_window))
    buckets = [account_bucket(server, username), everybody]
    if is_somebodys(network):
        buckets.append(bucket_of(server, "network", network, Limit(limits.network, limits.network_window)))
    return buckets


def refuse_if_known_full(server: Server, buckets: Sequence[Bucket]) -> None:
    """A flood costs nothing: what was full within the last second is refused without asking the database."""
    now = server.now()
    found = server.turnstile.refused((bucket.key for bucket in buckets), now)
    if found is not None:
        key, wait = found
        raise _throttled(server, next(bucket for bucket in buckets if bucket.key == key), wait)


async def take(server: Server, buckets: Sequence[Bucket], *, patient: bool) -> bool:
    """A place in each bucket before anything is hashed. Raises Throttled, and then has taken none.

    False, while ``patient``, where a try still being hashed may give its place back: come again in a moment.
    """
    refuse_if_known_full(server, buckets)  # whoever was before us in the line may have found out
    now = server.now()
    try:
        await server.database.write(attempts.take, buckets, now)
    except Full as full:
        if patient and full.in_flight:
            return False
        server.turnstile.refuse(full.bucket.key, now, full.wait)
        raise _throttled(server, full.bucket, full.wait) from None
    return True


async def give_back(server: Server, buckets: Sequence[Bucket]) -> None:
    await server.database.write(attempts.give_back, buckets, server.now())
    server.turnstile.open(bucket.key for bucket in buckets)


def _throttled(server: Server, bucket: Bucket, wait: float) -> Throttled:
    server.journal.count("login.throttled", "", bucket.kind)
    return Throttled(max(1, math.ceil(wait)))


def bucket_of(server: Server, kind: str, name: str, limit: Limit) -> Bucket:
    """The bucket of one kind and name."""
    # Keyed: a stolen table does not say who was tried, nor from where.
    text = f"bucket\0{kind}\0{name}".encode("utf-8", "surrogatepass")
    return Bucket(hmac.digest(server.keyring.secret("seal"), text, "sha256"), kind, limit)


def is_somebodys(network: str) -> bool:
    """Loopback is nobody's network: all come from there in dev, or behind a proxy nobody named. Nor is "unknown"."""
    try:
        found = ipaddress.ip_network(network)
    except ValueError:
        return False
    return not found.is_loopback and _LOOPBACK not in found
