"""Which hosts are this machine. A leaf, pure: names are judged by their text, never looked up."""

from __future__ import annotations

import ipaddress


def is_loopback_host(host: str | None) -> bool:
    """True for ``localhost``, ``*.localhost`` (RFC 6761 6.3), 127.0.0.0/8 and ``::1`` (no brackets, no port).

    Shortened and numeric spellings (``127.1``, ``2130706433``) are refused: programs disagree about them.
    """
    if not host:
        return False
    name = host.lower()
    if name == "localhost" or name.endswith(".localhost"):
        return all(name.split("."))
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback and (address.version == 4 or address == ipaddress.IPv6Address("::1"))
