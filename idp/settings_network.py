"""What the settings say about the network: what is bound, who stands in front, whom the server may call."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .config.addresses import is_loopback_host
from .config.problems import Problem, quoted

if TYPE_CHECKING:
    from .settings import Settings

Named = tuple[str, Problem]


def network_problems(settings: Settings) -> Iterator[Named]:
    """Every broken rule with the setting to point at."""
    yield from _listening(settings)
    yield from _networks("outbound.allow", settings.outbound.allow)
    yield from _networks("trusted_proxies", settings.trusted_proxies)


def _listening(settings: Settings) -> Iterator[Named]:
    host = settings.listen_host
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            yield (
                "listen_host",
                Problem(
                    rule="listen_host must be an address of this machine",
                    received=quoted(host),
                    expected="127.0.0.1, ::1, 0.0.0.0 or another IP address",
                    mend='write listen_host = "127.0.0.1"',
                ),
            )
            return
    if settings.mode == "dev" and not is_loopback_host(host):
        yield (
            "listen_host",
            Problem(
                rule="idp dev is never reachable from another machine",
                received=quoted(host),
                expected="127.0.0.1 or ::1",
                mend="leave listen_host out, or use idp serve",
            ),
        )


def _networks(name: str, networks: tuple[str, ...]) -> Iterator[Named]:
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield (
                name,
                Problem(
                    rule=f"{name} holds networks",
                    received=quoted(network),
                    expected=f'such as "10.1.0.0/16" ({error})',
                    mend="correct the entry",
                ),
            )
