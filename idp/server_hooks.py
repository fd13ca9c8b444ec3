"""What somebody's app adds to the server, as its parts ask for it; ``hooks_running`` does it, and by default nobody.

Each of these may wait for somebody else's code. Raises ``Busy`` where that fails or takes too long: nothing is decided
without its word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from idp.keyring.extra import ExtraClaims
from idp.protocol.client import Account
from idp.protocol.prompts import Policy
from idp.protocol.request import AuthorizationRequest
from idp.store.accounts import Credentials

if TYPE_CHECKING:
    from idp.server import Server


class People(Protocol):
    """People of somebody else's table. Of each one that signed in, ``accounts`` holds a row that follows it."""

    async def find(self, login: str) -> Credentials | None:
        """Whom a login name belongs to; ``password_hash`` is what marks the row, and changes with the password."""

    async def verify(self, server: Server, found: Credentials | None, password: str, login: str) -> bool:
        """Whether it is their password; for nobody it takes as long."""

    async def keep(self, server: Server, found: Credentials) -> Account:
        """Write or follow the row of a person who proved their password; as it stands from now on."""

    async def changed(self, server: Server, account_id: str) -> bool:
        """Ask about somebody who signed in earlier; True where the row had to follow, so read it again."""


class AskConsent(Protocol):
    async def __call__(self, request: AuthorizationRequest, account: Account, allowed_before: bool) -> Policy | None:
        """What the policy says of this request; None: nothing."""


@dataclass(frozen=True, slots=True)
class Hooked:
    people: People | None = None
    claims: ExtraClaims | None = None
    consent: AskConsent | None = None


NO_HOOKS = Hooked()
