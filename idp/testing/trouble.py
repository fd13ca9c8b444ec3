"""Time and trouble: what happens to a provider, told to happen."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from idp.app import Application
from idp.control.errors import ControlError
from idp.control.operations import run
from idp.control.people import SAMPLE_CLIENT
from idp.server import Server
from idp.store.account_page import withdraw
from idp.store.accounts import find_by_username
from idp.testing import minting
from idp.testing.clock import MovingClock
from idp.testing.faults import Fault, Front
from idp.testing.portal import Portal


class Troubled:
    """The half of ``Idp`` that changes what it does. Times are in seconds."""

    def __init__(
        self, application: Application, front: Front, clock: MovingClock, portal: Portal, data_dir: Path
    ) -> None:
        self.application = application
        self.front = front
        self.clock = clock
        self.data_dir = data_dir
        self._portal = portal

    @property
    def server(self) -> Server:
        return self.application.server

    @property
    def issuer(self) -> str:
        return self.server.issuer

    def control(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """What a command does, by its operation's name (``user.list``, ``audit.tail``)."""
        return self._portal.call(run(self.server, operation, arguments))

    def advance(self, seconds: float) -> None:
        """Move the clock, then let every job see it."""
        self.clock.advance(seconds)
        self._portal.call(self.application.jobs.run_all())

    def skewed(self, seconds: float) -> AbstractContextManager[None]:
        """While the block runs, the provider's clock is fast by that much, or slow: ``iat``, ``exp``, the Date."""
        return self.clock.skewed(seconds)

    def rotate(self, *, emergency: bool = False) -> dict[str, Any]:
        """The waiting keys sign from now on; the old ones stay published until their last token has expired.

        A key published a moment ago, by the last rotation, is not in every verifier's cache yet: ControlError, unless
        the clock is advanced or it is an ``emergency``, which breaks such verifiers.
        """
        report = self.control("keys.rotate", emergency=emergency)
        if not report["done"]:
            raise ControlError(
                "a key signs when no verifier's cache lacks it",
                received=f"a rotation too soon after the last: {report['lines'][0]}",
                expected=f"{self.server.settings.keys.longest_cache} s between them",
                mend="idp.advance(...) first, or idp.rotate(emergency=True) to see what breaks",
            )
        return report

    def withdraw_key(self, alg: str = "RS256") -> str:
        """The key that signs has leaked: out of the JWKS at once, with every token of it. Its ``kid``."""
        kid = self.server.keyring.signing_kid(alg)
        self.control("keys.revoke", kid=kid)
        return kid

    def broken(
        self,
        where: str,
        status: int = 503,
        body: str | bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
    ) -> Fault:
        """An address answers with that: ``jwks``, ``discovery``, ``token``, ..., ``everything``, or a path.

        Until the ``with`` block ends, or ``times`` requests were answered so, or the test is over.
        """
        kept = tuple((name.lower().encode(), value.encode()) for name, value in (headers or {}).items())
        text = body.encode() if isinstance(body, str) else body
        return self.front.put(where, status=status, body=text, headers=kept, times=times)

    def slow(self, where: str, seconds: float, *, times: int | None = None) -> Fault:
        """The real answer, real seconds late."""
        return self.front.put(where, status=None, seconds=seconds, times=times)

    def revoke(self, token: str, *, client: str | None = None) -> None:
        """An access token alone, or a refresh token and all of its grant (RFC 7009), as its app would."""
        self._portal.call(minting.revoke(self.server, token, client))

    def withdraw(self, person: str, client: str = SAMPLE_CLIENT) -> bool:
        """The person takes back what they allowed an app; False where there was nothing."""
        return self._portal.call(self._withdrawn(person, client))

    async def _withdrawn(self, person: str, client: str) -> bool:
        server = self.server
        found = await server.database.read(find_by_username, person)
        if found is None:
            return False
        return await server.database.write(withdraw, server.journal, found.account.id, client, server.now())

    def end_sessions(self, person: str) -> dict[str, Any]:
        """Every session and grant of the person ends, and their apps are told (back-channel logout)."""
        return self.control("user.logout", username=person)

    def disable(self, person: str) -> dict[str, Any]:
        return self.control("user.disable", username=person)

    def enable(self, person: str) -> dict[str, Any]:
        return self.control("user.enable", username=person)
