"""Limits kept in the memory of one process, for what no guess can reach: secrets of 256 bits (docs/limits.md).

They spare the log, the processor and the operator's nerves; a process more only means so many tries more. Sign-ins by
password count in the database instead (``accounts.guessing``).
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable

from starlette.requests import Request

from idp.protocol.client import Client
from idp.protocol.errors import Refused, visible
from idp.protocol.limits import Limit
from idp.settings_limits import Limits
from idp.web.peer import Proxies

_MOST = 20_000


class Buckets:
    """Leaky buckets by key; past ``most`` of them the one longest untouched is forgotten."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def level(self, key: Hashable, limit: Limit, now: float) -> float:
        """How full, 0 to 1."""
        return limit.level(*self._levels.get(key, (0.0, now)), now)

    def wait(self, key: Hashable, limit: Limit, now: float) -> float:
        """Seconds until one more fits, 0 where it fits now."""
        return limit.wait(self.level(key, limit, now))

    def add(self, key: Hashable, limit: Limit, now: float) -> float:
        """Put one in where it fits; answers the seconds to wait where it does not, and then changes nothing."""
        level = self.level(key, limit, now)
        wait = limit.wait(level)
        if wait == 0.0:
            self._levels[key] = (level + limit.cost, now)
            self._levels.move_to_end(key)
            if len(self._levels) > self._most:
                self._levels.popitem(last=False)
        return wait


class ClientFailures:
    """Failed client authentications, by client and network and by network.

    Only an address that failed for a client within the window is ever refused for it: a neighbour in the same network
    can use up the tries of that network, and still locks nobody out. Public clients have nothing to guess.
    """

    def __init__(self, limits: Limits, proxies: Proxies, clock: Callable[[], float]) -> None:
        window = float(limits.client_window)
        self._pair = Limit(limits.client, window)
        self._network = Limit(limits.client_network, window)
        self._once = Limit(1, window)
        self._proxies = proxies
        self._clock = clock
        self._buckets = Buckets()

    def refuse_guessing(self, http: Request, client: Client | None, client_id: str) -> None:
        """Before anything is compared. Raises Refused (429) with the seconds to wait."""
        if not self._buckets:
            return  # the usual case costs nothing
        now, name = self._clock(), _name(client)
        host, network = self._whence(http)
        if self._buckets.level(("host", name, host), self._once, now) == 0.0:
            return
        wait = max(
            self._buckets.wait(("pair", name, network), self._pair, now),
            self._buckets.wait(("network", network), self._network, now),
        )
        if wait > 0:
            raise _too_many(client_id, network, wait)

    def note(self, http: Request, client: Client | None) -> None:
        """One more failure."""
        now, name = self._clock(), _name(client)
        host, network = self._whence(http)
        self._buckets.add(("host", name, host), self._once, now)
        self._buckets.add(("pair", name, network), self._pair, now)
        self._buckets.add(("network", network), self._network, now)

    def _whence(self, http: Request) -> tuple[str, str]:
        """The caller's address (of IPv6 the /64, within which it is free to choose) and its network."""
        address = self._proxies.address_of(http.scope)
        network = self._proxies.network_of(http.scope)
        if address is None or address.version == 4:
            return str(address), network
        return str(ipaddress.ip_network((address, 64), strict=False)), network


def _name(client: Client | None) -> str:
    """Unknown ids are one: otherwise each made-up name would begin anew."""
    return client.client_id if client is not None else ""


def _too_many(client_id: str, network: str, wait: float) -> Refused:
    seconds = max(1, math.ceil(wait))
    return Refused(
        "invalid_client",
        "Too many client authentications failed. Wait before the next one.",
        rule="RFC 6749 2.3.1: endpoints are protected against guessing",
        received=f"one more try for client {visible(client_id)} from {network}",
        expected=f"none for {seconds} s",
        mend="Set the right secret at the caller; limits.client and limits.client_network say how many may fail.",
        status=429,
        headers={"Retry-After": str(seconds)},
    )
