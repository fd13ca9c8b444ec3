"""What the settings say about the network: what is bound, who stands in front, whom the server may call."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .config.addresses import is_loopback_host
from .config.problems import Problem, quoted
from .config.reach import Reach

if TYPE_CHECKING:
    from .settings import Settings

Named = tuple[str, Problem]


def reach(settings: Settings) -> Reach:
    """Which addresses the server may call, to judge one before it is stored."""
    return Reach.of(settings.outbound.allow, loopback=settings.mode == "dev")


def network_problems(settings: Settings) -> Iterator[Named]:
    """Every broken rule with the setting to point at."""
    yield from _listening(settings)
    yield from _tls(settings)
    yield from _networks("outbound.allow", settings.outbound.allow)
    yield from _networks("trusted_proxies", settings.trusted_proxies)


def _listening(settings: Settings) -> Iterator[Named]:
    for name, host in (("listen_host", settings.listen_host), ("metrics_host", settings.metrics_host)):
        if not _is_address(host):
            yield (
                name,
                Problem(
                    rule=f"{name} must be an address of this machine",
                    received=quoted(host),
                    expected="127.0.0.1, ::1, 0.0.0.0 or another IP address",
                    mend=f'write {name} = "127.0.0.1"',
                ),
            )
        elif settings.mode == "dev" and not is_loopback_host(host):
            yield (
                name,
                Problem(
                    rule="idp dev is never reachable from another machine",
                    received=quoted(host),
                    expected="127.0.0.1 or ::1",
                    mend=f"leave {name} out, or use idp serve",
                ),
            )


def _is_address(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _tls(settings: Settings) -> Iterator[Named]:
    """Both or neither; the files are opened by those who serve, as other commands need not be able to."""
    pair = {"tls_certificate_file": settings.tls_certificate_file, "tls_key_file": settings.tls_key_file}
    given = [name for name, path in pair.items() if path is not None]
    if len(given) == 1:
        [absent] = pair.keys() - set(given)
        yield (
            given[0],
            Problem(
                rule="a certificate is served with its private key",
                received=f"{given[0]} without {absent}",
                expected="both, or neither behind a proxy that speaks TLS",
                mend=f"add {absent}, or take {given[0]} out",
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
