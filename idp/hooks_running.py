"""``Hooks`` as the server's parts ask them: what an app's functions are told, and what becomes of their answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from idp.config.problems import Problem
from idp.hooks import ClaimsAsked, ConsentAsked, Hooks
from idp.hooks_calling import Caller
from idp.hooks_events import Teller, TellingJournal, TellingStore
from idp.hooks_people import HookedPeople
from idp.protocol.client import Account
from idp.protocol.errors import Busy
from idp.protocol.extra_claims import merged
from idp.protocol.prompts import Policy
from idp.protocol.request import AuthorizationRequest
from idp.server_hooks import NO_HOOKS, Hooked
from idp.settings import Settings, SettingsError
from idp.store.audit import Journal
from idp.store.database import Store

log = logging.getLogger("idp.hooks")


@dataclass(frozen=True, slots=True)
class Running:
    """The hooks of one server, and what has to end with it."""

    asked: Hooked = NO_HOOKS
    teller: Teller | None = None
    caller: Caller | None = field(default=None, repr=False)

    @classmethod
    def of(cls, hooks: Hooks | None, *, dev: bool) -> Running:
        if hooks is None:
            return cls()
        caller = Caller(hooks.threads, None if dev else hooks.seconds)
        asked = Hooked(
            people=HookedPeople(hooks.accounts, caller) if hooks.accounts is not None else None,
            claims=_Claims(hooks.claims, caller) if hooks.claims is not None else None,
            consent=_Consent(hooks.consent, caller) if hooks.consent is not None else None,
        )
        return cls(asked, Teller(hooks.events, caller) if hooks.events is not None else None, caller)

    def journal(self, writer: str) -> Journal:
        return Journal(writer) if self.teller is None else TellingJournal(writer)

    def store(self, store: Store) -> Store:
        return store if self.teller is None else TellingStore(store, self.teller)

    async def aclose(self) -> None:
        """What was committed is still told, for a short while."""
        if self.teller is not None:
            await self.teller.aclose()
        if self.caller is not None:
            self.caller.close()


NOTHING = Running()


def check(settings: Settings, hooks: Hooks | None) -> None:
    """Raises SettingsError where settings and hooks contradict one another."""
    if hooks is None or hooks.accounts is None or not settings.sign_up.open:
        return
    raise SettingsError(
        [
            Problem(
                rule="people are the app's, or make their accounts here",
                received="Hooks.accounts, and sign_up.open = true",
                expected="one of the two",
                mend="leave sign_up.open out: let people make their accounts in the app",
            )
        ]
    )


@dataclass(slots=True)
class _Claims:
    hook: Callable[[ClaimsAsked], object]
    caller: Caller
    told: set[str] = field(default_factory=set)  # names already logged as refused

    async def __call__(
        self,
        document: Literal["access_token", "id_token", "userinfo"],
        members: Mapping[str, Any],
        *,
        client_id: str,
        account: Account | None,
        scope: tuple[str, ...],
        audience: tuple[str, ...],
    ) -> dict[str, Any]:
        asked = ClaimsAsked(
            document=document,
            client_id=client_id,
            scope=scope,
            audience=audience,
            sub=account.id if account else None,
            username=account.username if account else None,
            claims=dict(account.claims) if account else {},
        )
        extra: Mapping[str, Any] = await self.caller.call("claims", self.hook, asked, returns=Mapping)  # type: ignore[type-abstract]
        try:
            plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(dict(extra)))
        except (TypeError, ValueError) as error:
            log.error("hook claims answered what is not JSON: %s | mend: give text, numbers, lists, dicts", error)
            raise Busy(retry_after=1) from None
        found, refused = merged(members, plain)
        if fresh := set(refused) - self.told:
            self.told |= fresh
            log.error(
                "hook claims may not say %s | rule: claims are added to a %s, and the server's own stay | mend: %s",
                ", ".join(sorted(fresh)),
                document,
                "use another name; what is left out is told once",
            )
        return found


@dataclass(frozen=True, slots=True)
class _Consent:
    hook: Callable[[ConsentAsked], object]
    caller: Caller

    async def __call__(self, request: AuthorizationRequest, account: Account, allowed_before: bool) -> Policy | None:
        asked = ConsentAsked(
            client_id=request.client.client_id,
            sub=account.id,
            username=account.username,
            scope=request.scope,
            resources=request.resources,
            configured=request.client.consent,
            allowed_before=allowed_before,
        )
        answer = await self.caller.call("consent", self.hook, asked, returns=str, none=True)
        match answer:
            case "ask" | "skip" | "require" | None:
                return answer
        log.error("hook consent answered %r | expected: ask, skip, require or None", str(answer)[:40])
        raise Busy(retry_after=1)
