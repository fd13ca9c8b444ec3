"""``idp watch``: traffic through a key rotation, seen. In a terminal a picture, elsewhere lines."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.trouble import Trouble
from idp.cli.watch_screen import Screen, picture
from idp.config.problems import ConfigurationError
from idp.control.errors import ControlError
from idp.diagnosis.traffic import RATE, Traffic
from idp.jose import JoseError, read_unverified
from idp.jose.public import VERIFYING_ALGORITHMS
from idp.verify import Refused, Verifier

_AGAIN = 1.0  # seconds between two looks at the keys, and two new tokens
_DRAWN = 0.5


@click.command()
@click.option("--seconds", type=click.FloatRange(1, 86_400), help="End after so long; else q ends it.")
@click.option("--person", default="alice", show_default=True, help="Whom the tokens are for.")
@click.option("--client", help="The app they are issued to; default: the command line's own.")
@click.option("--scope", default="openid", show_default=True, help="Words, one text.")
@click.option("--resource", multiple=True, help="The API they are for (RFC 8707); may be repeated.")
@pass_desk
def watch(desk: Desk, /, seconds: float | None, **asked: Any) -> int:
    """See 100 verified requests a second go through a key rotation.

    \b
    r  let the waiting key sign now, as idp keys rotate does
    q  end

    Every second a new token; each request verifies one by idp.verify with cached public keys, as an API does, and old
    tokens stay in use until they expire. Exit status 1 when a request failed.
    """
    drawn = sys.stdin.isatty() and sys.stdout.isatty()
    if not drawn and seconds is None:
        raise Trouble(
            "without a terminal somebody says when to end", received="no --seconds", expected="--seconds 30", status=2
        )
    watching = Watching(desk, {**asked, "resource": list(asked["resource"])})
    asyncio.run(watching.run(seconds, drawn=drawn))
    traffic = watching.traffic
    if traffic is None:
        return 1
    kids = f"{len(traffic.by_kid)} key{'s' if len(traffic.by_kid) != 1 else ''}"
    colour = "red" if traffic.failures else "green"
    say.line(
        f"{traffic.verified} requests verified with {kids}, "
        + click.style(f"{traffic.failures} failures", fg=colour, bold=True)
        + f", {watching.changes} key changes, {watching.passed:.0f} s"
    )
    for why in traffic.why:
        say.note(say.printable(why))
    return 1 if traffic.failures or not traffic.verified else 0


@dataclass
class Watching:
    """``asked`` are the arguments of the operation ``token``."""

    desk: Desk
    asked: Mapping[str, Any]
    traffic: Traffic | None = None
    changes: int = 0
    passed: float = 0.0
    said: str = ""
    _keys: Mapping[str, Any] = field(default_factory=dict)
    _signing: dict[str, str] = field(default_factory=dict)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _rotating: asyncio.Task[None] | None = None

    async def run(self, seconds: float | None, *, drawn: bool) -> None:
        """Until ``seconds`` have passed, or q. Raises Trouble or ControlError before the first request."""
        start = time.monotonic()
        self.traffic = await self._traffic()
        await self._look(told=False)
        loop = asyncio.get_running_loop()
        for end in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(end, self._ended.set)
        with ExitStack() as held:
            screen = held.enter_context(Screen(self._pressed)) if drawn else None
            work: list[asyncio.Task[None]] = [
                asyncio.create_task(self.traffic.run()),
                asyncio.create_task(self._tend(told=not drawn)),
            ]
            if screen is not None:
                work.append(asyncio.create_task(self._draw(screen, start)))
            ending = asyncio.create_task(self._ended.wait())
            try:
                await asyncio.wait({*work, ending}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                for task in work:
                    if task.done():
                        task.result()  # work never ends by itself: say why it did
            finally:
                for each in (*work, ending):
                    each.cancel()
                await asyncio.gather(*work, ending, return_exceptions=True)
                self.passed = time.monotonic() - start

    async def _traffic(self) -> Traffic:
        first = await self._issue()
        try:
            parts = read_unverified(first)
        except JoseError as error:
            mend = "name a --resource with tokens in JWT form"
            raise Trouble("an API verifies tokens it can read", received=str(error), mend=mend) from None
        issuer, audience = str(parts.claims["iss"]), parts.claims["aud"]
        verifier = Verifier(issuer, audience, algorithms=VERIFYING_ALGORITHMS)
        try:
            await verifier.verify(first)
        except Refused as refused:
            raise Trouble(
                "the first token is accepted by its own issuer's keys",
                received=str(refused),
                expected=f"a provider that answers at {issuer}",
                mend="start it: idp dev, or idp serve",
            ) from None
        traffic = Traffic(verifier, f"{issuer}/watched", self._issue, self.desk.clock, time.monotonic)
        await traffic.renew()
        return traffic

    async def _issue(self) -> str:
        answer = await asyncio.to_thread(self.desk.call, "token", **self.asked)
        return str(answer["access_token"])

    async def _tend(self, *, told: bool) -> None:
        while self.traffic is not None:
            await asyncio.sleep(_AGAIN)
            await self.traffic.renew()
            await self._look(told=told)

    async def _look(self, *, told: bool) -> None:
        """The keys' lives; a key that signs now and did not before is a change."""
        with suppress(ControlError, ConfigurationError):  # renewing tells of a provider that is gone
            self._keys = await asyncio.to_thread(self.desk.call, "keys.list")
        signing = {life["alg"]: life["kid"] for life in self._keys.get("keys", ()) if life["state"] == "signing"}
        for alg, kid in signing.items():
            if self._signing.get(alg) not in (None, kid):
                self.changes += 1
                self.said = f"{alg}: key {kid} signs now"
                if told:
                    say.line(say.printable(self.said))
        self._signing |= signing

    async def _draw(self, screen: Screen, start: float) -> None:
        while self.traffic is not None:
            self.passed = time.monotonic() - start
            screen.show(picture(self.traffic, self._keys, self.said, self.passed, RATE))
            await asyncio.sleep(_DRAWN)

    def _pressed(self, key: str) -> None:
        if key in ("q", "Q", "\x04"):
            self._ended.set()
        elif key in ("r", "R") and (self._rotating is None or self._rotating.done()):
            self._rotating = asyncio.get_running_loop().create_task(self._rotate())

    async def _rotate(self) -> None:
        self.said = "asking for the next key ..."
        try:
            result = await asyncio.to_thread(self.desk.call, "keys.rotate", emergency=False, fresh=False, new_kek=False)
        except (ControlError, ConfigurationError) as error:
            self.said = str(error)
            return
        self.said = "  ".join(result["lines"])
        if self.traffic is not None:
            await self.traffic.renew()
        await self._look(told=False)
