"""Which addresses outside may be called, as a rule over values: names are never looked up here."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Everything else of IPv6 is local, old ways to write IPv4, or nobody's (RFC 4291 2.4).
_UNICAST = ipaddress.ip_network("2000::/3")


@dataclass(frozen=True, slots=True)
class Reach:
    """Public unicast addresses, and the networks the operator named. ``loopback`` adds this machine, over plain http
    as well (dev)."""

    networks: tuple[IPNetwork, ...] = ()
    loopback: bool = False

    @classmethod
    def of(cls, allow: Iterable[str] = (), *, loopback: bool = False) -> Self:
        """``allow`` as CIDR texts, the setting ``outbound.allow``."""
        named = [ipaddress.ip_network(text) for text in allow]
        return cls((*named, *(_LOOPBACK if loopback else ())), loopback)

    def permits(self, address: IPAddress) -> bool:
        if isinstance(address, ipaddress.IPv6Address):
            inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
            if inner is None and address in _NAT64:
                inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
            if inner is not None:
                return self.permits(inner)
        if any(address.version == network.version and address in network for network in self.networks):
            return True
        if address.version == 6 and address not in _UNICAST:
            return False
        return address.is_global and not address.is_multicast

    def may_name(self, host: str) -> bool:
        """Whether ``host`` may stand in an address to be fetched, as far as its text tells.

        Every spelling a resolver takes for an address counts as one (``127.1``, ``0x7f000001``). A name proves nothing:
        what it leads to is judged when it is called.
        """
        name = host.rstrip(".").lower()
        if name == "localhost" or name.endswith(".localhost"):
            return self.permits(ipaddress.IPv4Address("127.0.0.1"))
        address = _literal(name)
        return address is None or self.permits(address)


def _literal(name: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except (OSError, UnicodeError, ValueError):
        return None
