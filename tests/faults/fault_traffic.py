"""Everybody who uses the provider while it is killed. Each notes what they ask before they ask it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator

import httpx2
from fault_house import APP, OFFLINE, PROOF, SERVICE_PROOF, Somebody, code, redemption, refreshing
from fault_installation import Installation
from fault_journal import Family, Journal, Session
from fault_wire import Answer, Gone, Wire, post
from support import Page, Visitor, unverified

from idp.control.calling import call
from idp.control.errors import ControlError
from idp.settings import Settings, load

_TOKEN = post("/token", {"grant_type": "client_credentials"}, SERVICE_PROOF)
_LOST = (Gone, httpx2.TransportError)


class Traffic:
    """``cookie`` is a session the apps get their codes with; ``people`` are names that have never signed in."""

    def __init__(
        self, installation: Installation, journal: Journal, chance: random.Random, cookie: str, people: Iterator[str]
    ) -> None:
        self.installation = installation
        self.journal = journal
        self.chance = chance
        self.cookie = cookie
        self.people = people
        self._tasks: list[asyncio.Task[None]] = []
        self._settings = settings_of(installation)

    def begin(self) -> None:
        wires = [Wire(self.installation.port) for _ in range(6)]
        work: list[Callable[[], Awaitable[None]]] = [
            *(lambda wire=wire: self.family(wire) for wire in wires[:4]),  # type: ignore[misc]
            *(lambda wire=wire: self.service(wire) for wire in wires[4:]),  # type: ignore[misc]
            self.person,
            self.person,
            self.operator,
        ]
        self._tasks = [asyncio.create_task(self._again(each)) for each in work]
        known = [session for session in self.journal.sessions if session.sid]
        if known:
            self._tasks.append(asyncio.create_task(self._again(self._leaving(self.chance.choice(known)))))

    async def until_all_are_lost(self) -> None:
        """After the server is gone, everybody notices; what anybody else raises is a fault of the test."""
        await asyncio.gather(*self._tasks)

    async def _again(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            while True:
                await work()
        except _LOST:
            return

    def _answered(self, answer: Answer | httpx2.Response, *expected: int) -> bool:
        status = answer.status if isinstance(answer, Answer) else answer.status_code
        if status in expected:
            self.journal.acknowledged += 1
            return True
        self.journal.strange.append(f"{status} under load")
        return False

    async def family(self, wire: Wire) -> None:
        """A code; most are redeemed, then refreshed a few times; some are revoked at the end."""
        family = Family(await code(wire, self.cookie))
        self.journal.acknowledged += 1
        self.journal.families.append(family)
        if self.chance.random() < 0.2:
            return
        family.asked = "redeem"
        await self._bought(family, await wire.ask(redemption(family.code)))
        for _ in range(self.chance.randrange(4)):
            family.asked = "refresh"
            await self._bought(family, await wire.ask(refreshing(family.tokens[-1])))
        if self.chance.random() < 0.3:
            family.asked = "revoke"
            family.revoked = self._answered(await wire.ask(post("/revoke", {"token": family.tokens[-1]}, PROOF)), 200)
            family.asked = ""

    async def _bought(self, family: Family, answer: Answer) -> None:
        if self._answered(answer, 200):
            tokens = answer.json()
            family.access = tokens["access_token"]
            family.tokens.append(tokens["refresh_token"])
        family.asked = ""

    async def service(self, wire: Wire) -> None:
        answer = await wire.ask(_TOKEN)
        if self._answered(answer, 200):
            self.journal.machine_tokens.append(answer.json()["access_token"])

    async def person(self) -> None:
        """Sign in, allow the app, use it; half of them sign out."""
        session = Session(next(self.people))
        visitor = Visitor(Somebody(self.installation.issuer))  # type: ignore[arg-type]
        try:
            page = await visitor.authorize(OFFLINE)
            self.journal.sessions.append(session)
            try:
                page = await visitor.log_in(page, session.person, "alice")
            finally:
                # The cookie comes with the answer to the form: with it the sign-in is acknowledged.
                session.cookie = visitor.http.cookies.get("idp", "")
                self.journal.acknowledged += bool(session.cookie)
            await self._consent(visitor, session, page)
            if self.chance.random() < 0.5:
                await self._sign_out(visitor, session)
        finally:
            await visitor.aclose()

    async def _sign_out(self, visitor: Visitor, session: Session) -> None:
        page = await visitor.open("/logout")
        session.asked = "logout"
        await visitor.submit(page)
        self.journal.acknowledged += 1
        session.ended, session.asked = True, ""

    def _leaving(self, session: Session) -> Callable[[], Awaitable[None]]:
        """Somebody whose session has seen a kill before signs out."""

        async def leave() -> None:
            visitor = Visitor(Somebody(self.installation.issuer))  # type: ignore[arg-type]
            visitor.http.cookies.set("idp", session.cookie)
            try:
                await self._sign_out(visitor, session)
            finally:
                await visitor.aclose()
            raise Gone("once is enough")

        return leave

    async def _consent(self, visitor: Visitor, session: Session, page: object) -> None:
        assert isinstance(page, Page)
        assert page.id == "consent", page.text
        session.asked = "consent"
        answer = await visitor.submit(page, decision="allow")
        session.consented, session.asked = True, ""
        self.journal.acknowledged += 1
        redeemed = await APP.redeem(visitor.http, answer.code)  # type: ignore[union-attr]
        if self._answered(redeemed, 200):
            session.sid = unverified(redeemed.json()["id_token"])[1]["sid"]

    async def operator(self) -> None:
        """``idp client add``, by the function behind it; after a kill the command would open the database itself."""
        name = f"added-{next(self.journal.names)}"
        client = {"client_id": name, "redirect_uris": [], "grant_types": ["client_credentials"]}
        client["access_token_signed_response_alg"] = "ES256"
        try:
            answer = await asyncio.to_thread(call, self._settings, "client.add", client=client)
        except ControlError as error:
            raise Gone(repr(error)) from error
        self.journal.clients.append((name, answer["client_secret"]))
        self.journal.acknowledged += 1
        await asyncio.sleep(0.05)
        if self._tasks[0].done():
            raise Gone("the others have noticed")


def settings_of(installation: Installation) -> Settings:
    return load(installation.folder / "idp.toml", installation.environment(), "serve")
