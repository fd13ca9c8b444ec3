"""After a restart: everything acknowledged is asked for over HTTP. What is found missing, or alive again, is noted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fault_house import OFFLINE, SERVICE_PROOF, introspection, redemption, refreshing
from fault_journal import Family, Journal, Session
from fault_wire import Answer, Wire, basic, get, post
from support import header_of

_KEPT = 12  # of each kind: lives on, or is looked at again


class Reckoning:
    def __init__(self, port: int, journal: Journal, chance: random.Random) -> None:
        self.port = port
        self.journal = journal
        self.chance = chance

    async def settle(self) -> None:
        """Judge everything new since the last start, and some of what was judged before."""
        journal = self.journal
        old = self.chance.sample(journal.dead_families, min(_KEPT, len(journal.dead_families)))
        alive = [family for family in journal.families if family.tokens and not family.revoked and not family.asked]
        keep = alive[-_KEPT:]
        ended = [family for family in journal.families if family not in keep]
        await self._each(old, self._stays_dead)
        await self._each(keep, self._goes_on)
        await self._each(ended, self._family)
        journal.dead_families += [family for family in ended if family.access]
        journal.families = keep
        await self._sessions()
        clients = {*journal.clients[-20:], *self.chance.sample(journal.clients, min(5, len(journal.clients)))}
        await self._each(clients, self._client)
        await self._machine_tokens()

    async def _each(self, things: Iterable[Any], check: Callable[[Wire, Any], Awaitable[None]]) -> None:
        waiting = iter(things)

        async def some() -> None:
            wire = Wire(self.port)
            for thing in waiting:
                await check(wire, thing)
            wire.close()

        await asyncio.gather(*(some() for _ in range(6)))

    async def _goes_on(self, wire: Wire, family: Family) -> None:
        answer = await wire.ask(refreshing(family.tokens[-1]))
        self.journal.must(answer.status == 200, f"a refresh token, {_said(answer)}")
        if answer.status == 200:
            family.tokens.append(answer.json()["refresh_token"])
            family.access = answer.json()["access_token"]

    async def _family(self, wire: Wire, family: Family) -> None:
        journal = self.journal
        if not family.access:
            answer = await wire.ask(redemption(family.code))
            if family.asked != "redeem":  # else it may have been spent in the last moment
                journal.must(answer.status == 200, f"an unspent code, {_said(answer)}")
            again = await wire.ask(redemption(family.code))
            journal.must_not(again.status == 200, "a code just spent")
            return
        await self._newest(wire, family)
        for token in reversed(family.tokens):
            journal.must_not((await wire.ask(refreshing(token))).status == 200, "a refresh token that had a successor")
        journal.must_not((await wire.ask(redemption(family.code))).status == 200, "a spent code")
        await self._no_longer_active(wire, family)

    async def _newest(self, wire: Wire, family: Family) -> None:
        answer = await wire.ask(refreshing(family.tokens[-1]))
        if family.revoked:
            self.journal.must_not(answer.status == 200, "a revoked refresh token")
        elif not family.asked:
            self.journal.must(answer.status == 200, f"a refresh token, {_said(answer)}")
        if answer.status == 200:
            family.tokens.append(answer.json()["refresh_token"])
            # Its predecessors have had their turn: the first of them to come back ends all.
            old = await wire.ask(refreshing(family.tokens[-2]))
            self.journal.must_not(old.status == 200, "a refresh token that had a successor")

    async def _stays_dead(self, wire: Wire, family: Family) -> None:
        for request in (refreshing(family.tokens[-1]), refreshing(family.tokens[0]), redemption(family.code)):
            self.journal.must_not((await wire.ask(request)).status == 200, "what had ended before an earlier kill")
        await self._no_longer_active(wire, family)

    async def _no_longer_active(self, wire: Wire, family: Family) -> None:
        answer = (await wire.ask(introspection(family.access))).json()
        self.journal.must_not(answer["active"], "an access token of a family that ended")

    async def _sessions(self) -> None:
        journal = self.journal
        known = [session for session in journal.sessions if session.cookie]
        await self._each(known, self._session)
        journal.sids |= {session.sid for session in known if session.ended and session.sid}
        journal.sessions = [s for s in known if not s.asked][-_KEPT:]

    async def _session(self, wire: Wire, session: Session) -> None:
        answer = await wire.ask(get("/authorize", {**OFFLINE, "prompt": "none"}, Cookie=f"idp={session.cookie}"))
        found = answer.query.get("error", "code")
        if session.ended:
            self.journal.must_not(found != "login_required", f"a session that was signed out: {found}")
        elif session.asked == "":
            wanted = "code" if session.consented else "consent_required"
            self.journal.must(found == wanted, f"a session (consented: {session.consented}): {found}")
        elif session.asked == "consent":
            self.journal.must(found in ("code", "consent_required"), f"a session: {found}")

    async def _client(self, wire: Wire, client: tuple[str, str]) -> None:
        answer = await wire.ask(post("/token", {"grant_type": "client_credentials"}, basic(*client)))
        self.journal.must(answer.status == 200, f"client {client[0]}, {_said(answer)}")

    async def _machine_tokens(self) -> None:
        """They leave no row but their key's mark: the key must still be published and the token be known."""
        wire = Wire(self.port)
        published = (await wire.ask(get("/.well-known/jwks.json"))).json()["keys"]
        kids = {key["kid"] for key in published}
        for token in self.journal.machine_tokens[-10:]:
            self.journal.must(header_of(token)["kid"] in kids, "the key of a token")
            answer = await wire.ask(introspection(token, SERVICE_PROOF))
            self.journal.must(bool(answer.json().get("active")), f"a machine token, {_said(answer)}")
        self.journal.machine_tokens.clear()
        wire.close()


def _said(answer: Answer) -> str:
    return f"{answer.status} {answer.body[:200].decode(errors='replace')}"


