"""How many tries at guessing are looked at, over what time; docs/limits.md has the arithmetic behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from .config.problems import Problem

if TYPE_CHECKING:
    from .settings import Settings


def _tries(meaning: str, *, least: int = 1) -> Meta:
    return Meta(description=meaning, ge=least, le=1_000_000, extra={"secret": False})


def _window(meaning: str) -> Meta:
    return Meta(description=meaning, ge=1, le=2_592_000, extra={"unit": "seconds"})


_WIDER = (
    ("overall", "network"),
    ("client_network", "client"),
    ("user_codes_network", "user_codes"),
    ("user_codes_overall", "user_codes_network"),
    ("device_codes_overall", "device_codes"),
)
# 20 letters to the power of 8 (idp/protocol/device.py); a bucket lets twice its size through in its first window.
_MOST_PAIRS = 20**8 * 1e-4 / 4


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Each bucket holds so many failures, and empties evenly over its window."""

    account: Annotated[int, _tries("Failed sign-ins to one user name, from unknown browsers.", least=3)] = 10
    device: Annotated[int, _tries("The same from one browser that signed in there before.", least=3)] = 10
    account_window: Annotated[int, _window("Over how long those two empty.")] = 900
    network: Annotated[int, _tries("Failed sign-ins from one network (/24, or /56), whatever the names.")] = 30
    network_window: Annotated[int, _window("Over how long that empties.")] = 3600
    overall: Annotated[int, _tries("Failed sign-ins everywhere, from unknown browsers.")] = 1000
    overall_window: Annotated[int, _window("Over how long that empties.")] = 86_400
    user_codes: Annotated[int, _tries("Wrong user codes of devices typed by one person, in 15 minutes.")] = 10
    user_codes_network: Annotated[int, _tries("The same from one network, whoever types.")] = 30
    user_codes_overall: Annotated[int, _tries("The same everywhere.")] = 500
    device_codes: Annotated[
        int, _tries("Device codes for one network (public apps) or one app with credentials, in lifetimes.device_code.")
    ] = 50
    device_codes_overall: Annotated[int, _tries("The same everywhere.")] = 1000
    pushed_requests: Annotated[
        int, _tries("Pushed requests of apps without credentials from one network, in a minute, per process.")
    ] = 300
    client: Annotated[int, _tries("Failed client authentications, for one client from one network, per process.")] = 100
    client_network: Annotated[int, _tries("The same from one network, whatever the clients.")] = 1000
    client_window: Annotated[int, _window("Over how long those two empty.")] = 60


def limit_problems(settings: Settings) -> Iterator[tuple[str, Problem]]:
    """A wider limit below a narrower one lets one party close the door to everybody."""
    for wide, narrow in _WIDER:
        most, least = getattr(settings.limits, wide), getattr(settings.limits, narrow)
        if most <= least:
            yield (
                f"limits.{wide}",
                Problem(
                    rule=f"limits.{wide} must be larger than limits.{narrow}: else one party uses up everybody's tries",
                    received=str(most),
                    expected=f"more than {least}",
                    mend=f"raise {wide} or lower {narrow}",
                ),
            )
    pairs = settings.limits.user_codes_overall * settings.limits.device_codes_overall
    if pairs >= _MOST_PAIRS:
        yield (
            "limits.user_codes_overall",
            Problem(
                rule="user codes stay unguessable: wrong codes looked at times devices that wait is bounded",
                received=f"{settings.limits.user_codes_overall} x {settings.limits.device_codes_overall} = {pairs}",
                expected=f"user_codes_overall x device_codes_overall below {_MOST_PAIRS:.0f}",
                mend="lower one of the two",
            ),
        )
