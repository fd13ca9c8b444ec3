"""Where a request comes from: the connection's own address, or what a proxy the operator named says of it.

Only limits, the audit and a person's list of sessions use it. The issuer and every URL never do (decision 13).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.types import Scope

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

UNKNOWN = "unknown"
_MAX_FORWARDED = 2048  # characters looked at, from the right: what stands further left is the client's own saying


class Proxies:
    """``networks`` are the proxies in front, as CIDR; ``hops`` how many of them stand one behind the other."""

    def __init__(self, networks: Sequence[str], hops: int) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)
        self._hops = hops

    def address_of(self, scope: Scope) -> IPAddress | None:
        """The caller's address; None where the connection has none (a Unix socket).

        Each trusted proxy appends whom it saw, so the walk goes from the right and ends at the first address that
        is no trusted proxy, or after ``hops``: what a caller writes stands left of that, and counts nothing.
        """
        client = scope.get("client")
        found = _parsed(client[0]) if client else None
        if found is None or not self._networks:
            return found
        said = _forwarded(scope)
        for _ in range(self._hops):
            if not said or not self._trusts(found):
                break
            before = _parsed(said.pop())
            if before is None:
                break
            found = before
        return found

    def in_front(self, scope: Scope) -> bool:
        """Whether the connection itself comes from a trusted proxy."""
        if not self._networks:
            return False
        client = scope.get("client")
        found = _parsed(client[0]) if client else None
        return found is not None and self._trusts(found)

    def network_of(self, scope: Scope) -> str:
        """The caller's network, /24 or /56: what one subscriber usually has to themselves. ``unknown`` without one."""
        address = self.address_of(scope)
        if address is None:
            return UNKNOWN
        return str(ipaddress.ip_network((address, 24 if address.version == 4 else 56), strict=False))

    def _trusts(self, address: IPAddress) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)


def _forwarded(scope: Scope) -> list[str]:
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return ",".join(values)[-_MAX_FORWARDED:].split(",") if values else []


def _parsed(text: str) -> IPAddress | None:
    """An address as proxies write it: with a port or brackets too; an IPv4 address inside IPv6 is that IPv4 address.

    The zone of a link-local address says which wire it came by, not who it is.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
