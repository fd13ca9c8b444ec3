"""Clients known by the document at their client_id: fetched, kept for a while, and never written down.

Nothing a stranger sends makes this server fetch without end: one fetch of an address at a time, a share of them for
each network and host, and a bound for all. What is no document is not remembered; a good one outlives an outage.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from idp.config.problems import Problem
from idp.outbound import Answer, OutboundError
from idp.protocol.client import Client
from idp.protocol.client_documents import (
    MAX_DOCUMENT,
    DocumentClient,
    admitted,
    host_of,
    is_json,
    is_listed,
    looks_like_document,
    read_document,
    url_problem,
)
from idp.protocol.errors import Refused, Throttled
from idp.protocol.limits import Limit
from idp.protocol.request import Rules
from idp.server import Server
from idp.settings_client_documents import EVERY
from idp.store.client_documents import record_document
from idp.web.limits import Buckets

log = logging.getLogger("idp.documents")

KEPT = 1000  # documents; past it the one longest unused is asked for again when it is needed
_SHARE = Limit(30, 60.0)  # fetches a minute for one network, and of one host
_ALL = Limit(300, 60.0)
_USUAL = 300.0  # seconds a document is kept that says nothing of it
_PAUSE = 60.0  # between tries to refresh a document whose site is down
_AGE = re.compile(r"(?:^|[,\s])(no-store|no-cache|s-maxage=\"?([0-9]{1,9})|max-age=\"?([0-9]{1,9}))", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kept:
    """A document as read; fresh until ``until``, and of some use until ``last`` while its site is down."""

    client: DocumentClient
    until: float
    last: float


class ClientDocuments:
    """One process's documents. Clocks are the server's."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._ready: dict[str, tuple[Rules, DocumentClient]] = {}
        self._under_way: dict[str, asyncio.Task[Kept]] = {}
        self._shares = Buckets()
        self._noted: dict[str, str] = {}  # client_id to the digest that the audit was told of

    def known(self, server: Server, client_id: str) -> Client | None:
        """What is at hand, however old; else a client of this name alone: that we issued it something is proof enough.

        None where the operator no longer lets such apps in.
        """
        if not looks_like_document(client_id) or _inadmissible(server, client_id) is not None:
            return None
        kept = self._kept.get(client_id)
        if kept is None:
            name = host_of(client_id)
            return DocumentClient(client_id=client_id, client_name=name, token_endpoint_auth_method="none")
        return self._admitted(server, kept.client)

    async def find(self, server: Server, client_id: str, network: str) -> Client | None:
        """The client by its document, fetched where none is fresh. Raises Refused, Throttled."""
        if not looks_like_document(client_id):
            return None
        if (problem := _inadmissible(server, client_id)) is not None:
            raise _refused(problem)
        kept, now = self._kept.get(client_id), server.now()
        if kept is None or now >= kept.until:
            kept = await self._renewed(server, client_id, network, kept, now)
        if client_id in self._kept:
            self._kept.move_to_end(client_id)
        return self._admitted(server, kept.client)

    def is_news(self, client: DocumentClient) -> bool:
        """Whether its document is not the one this answered True for last; it then is."""
        if self._noted.get(client.client_id) == client.digest:
            return False
        if len(self._noted) >= 10 * KEPT:
            self._noted.clear()
        self._noted[client.client_id] = client.digest
        return True

    async def _renewed(self, server: Server, url: str, network: str, kept: Kept | None, now: float) -> Kept:
        under_way = self._under_way.get(url)
        if under_way is None:
            self._take_share(url, network, kept, now)
            under_way = asyncio.create_task(self._fetched(server, url))
            self._under_way[url] = under_way
            under_way.add_done_callback(lambda done: self._landed(url, done))
        # Whoever began it may go away; the others still wait for it.
        return await asyncio.shield(under_way)

    def _landed(self, url: str, done: asyncio.Task[Kept]) -> None:
        del self._under_way[url]
        if not done.cancelled():
            done.exception()  # looked at, also where everybody who waited has gone

    def _take_share(self, url: str, network: str, kept: Kept | None, now: float) -> None:
        """A known app's renewal costs no stranger's share: it comes once in a while, whoever asks."""
        if kept is not None:
            return
        for key, limit in ((("network", network), _SHARE), (("host", host_of(url)), _SHARE), (("all",), _ALL)):
            wait = self._shares.add(key, limit, now)
            if wait > 0:
                raise Throttled(max(1, math.ceil(wait)))

    async def _fetched(self, server: Server, url: str) -> Kept:
        before = self._kept.get(url)
        try:
            answer = await server.outbound.get(url, "application/json", MAX_DOCUMENT)
        except OutboundError as error:
            return self._without(server, url, before, str(error))
        if answer.status in (404, 410):
            return self._gone(url, _fault("the document is there", f"status {answer.status}", "status 200"))
        if answer.status != 200:
            return self._without(server, url, before, f"status {answer.status}")
        found = _read(server, url, answer)
        if isinstance(found, Problem):
            return self._gone(url, found)
        settings, now = server.settings.client_documents, server.now()
        fresh = min(max(_freshness(answer.headers), settings.cache_least), settings.cache_most)
        return self._keep(url, Kept(found, now + fresh, now + fresh + settings.stale))

    def _keep(self, url: str, kept: Kept) -> Kept:
        self._kept[url] = kept
        self._ready.pop(url, None)
        if len(self._kept) > KEPT:
            self._forget(next(iter(self._kept)))
        return kept

    def _without(self, server: Server, url: str, before: Kept | None, received: str) -> Kept:
        """The site does not answer as it should: the last document goes on for a while (RFC 5861 4)."""
        now = server.now()
        if before is None or now >= before.last:
            self._forget(url)
            raise _refused(_fault("the document can be fetched", received, "200 with JSON, without a redirect"))
        log.warning("the document of %s cannot be renewed (%s): its last one counts on", url, received)
        return self._keep(url, Kept(before.client, min(now + _PAUSE, before.last), before.last))

    def _gone(self, url: str, problem: Problem) -> Kept:
        """The site answers, and what it says is no client of this address: from now on there is none."""
        self._forget(url)
        raise _refused(problem)

    def _forget(self, url: str) -> None:
        self._kept.pop(url, None)
        self._ready.pop(url, None)

    def _admitted(self, server: Server, client: DocumentClient) -> DocumentClient:
        """With what such apps may ask for, worked out once for as long as nobody changes what is registered."""
        ready = self._ready.get(client.client_id)
        if ready is None or ready[0] is not server.rules:
            settings, known = server.settings.client_documents, server.rules.resources
            every = EVERY in settings.resources
            ready = server.rules, admitted(client, settings.scopes, settings.resources, known, every)
            self._ready[client.client_id] = ready
        return ready[1]


def _inadmissible(server: Server, url: str) -> Problem | None:
    """Why no document is fetched there: not even asked, so this costs nothing."""
    problem = url_problem(url, this_machine=server.dev)
    settings = server.settings.client_documents
    if problem is None and settings.mode == "listed" and not is_listed(url, settings.hosts):
        problem = _fault("apps come from hosts this server's operator named", host_of(url), "a host of the list")
    return problem


def _read(server: Server, url: str, answer: Answer) -> DocumentClient | Problem:
    content_type = answer.headers.get("content-type", "")
    if not is_json(content_type):
        return _fault("a document is JSON (section 4)", content_type or "no Content-Type", "application/json")
    digest = hashlib.sha256(answer.body).hexdigest()[:16]
    algorithms, grant_types = server.settings.keys.algorithms, tuple(server.grants)
    return read_document(url, answer.body, algorithms=algorithms, grant_types=grant_types, digest=digest)


def _freshness(headers: Mapping[str, str]) -> float:
    """Seconds the document may be kept, by what it says (RFC 9111 5.2.2)."""
    said = {found[1].partition("=")[0]: found[2] or found[3] for found in _AGE.finditer(_control(headers))}
    if "no-store" in said or "no-cache" in said:
        return 0.0
    seconds = said.get("s-maxage") or said.get("max-age")
    age = headers.get("age", "")
    return _USUAL if seconds is None else float(seconds) - (float(age) if age.isascii() and age.isdigit() else 0.0)


def _control(headers: Mapping[str, str]) -> str:
    return headers.get("cache-control", "").lower()


def _fault(rule: str, received: str, expected: str) -> Problem:
    mend = "docs/client-documents.md says what is fetched, how, and for whom."
    return Problem(rule=rule, received=received, expected=expected, mend=mend)


def _refused(problem: Problem) -> Refused:
    """One sentence to strangers, whatever the cause: what this server can reach is nobody's business (SF-01)."""
    return Refused(
        "invalid_client",
        "The app is not known here: its client_id leads to no document that describes it.",
        rule=problem.rule,
        received=problem.received,
        expected=problem.expected,
        mend=problem.mend,
        status=401,
    )


async def note_document(server: Server, client: DocumentClient) -> None:
    """Tell the audit of an app that this process lets in for the first time, or with another document than before.

    Only once a person has signed in and said yes, so that no stranger makes it grow.
    """
    for source in server.client_sources:
        if isinstance(source, ClientDocuments) and source.is_news(client):
            await server.database.write(record_document, server.journal, client, server.now())
