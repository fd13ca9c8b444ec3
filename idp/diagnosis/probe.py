"""Trying the catalogue on an API: first that a good token opens it and none does not, then every bad one.

What is wrongly accepted is told. Refusals only mean something while the good token is still accepted, so it is shown
again at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from idp.diagnosis.catalogue import ROWS, Row
from idp.diagnosis.finding import Finding, bad, good, note
from idp.diagnosis.forging import Material, Try, bearer, tries
from idp.outbound import Outbound, OutboundError


class NothingShown(Exception):
    """The answers would mean nothing; the four parts of a refusal say why."""

    def __init__(self, rule: str, *, received: str, expected: str, mend: str):
        super().__init__(rule)
        self.rule, self.received, self.expected, self.mend = rule, received, expected, mend


@dataclass(frozen=True, slots=True)
class Answered:
    """``status`` None: no answer came, and ``trouble`` says why."""

    asked: Try
    status: int | None
    trouble: str = ""

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def silent(self) -> bool:
        """Not an answer to the token: nobody was there, or too busy to look."""
        return self.status in (None, 408, 429, 502, 503, 504)

    @property
    def words(self) -> str:
        return self.trouble if self.status is None else str(self.status)


class Api:
    """One address that takes tokens, called with ``method``."""

    def __init__(self, outbound: Outbound, url: str, method: str = "GET") -> None:
        self._outbound = outbound
        self._url = urlsplit(url)
        self._method = method

    async def ask(self, one: Try) -> Answered:
        """Redirects are answers: they are not followed."""
        query = "&".join(part for part in (self._url.query, urlencode(one.query)) if part)
        url = urlunsplit((self._url.scheme, self._url.netloc, self._url.path or "/", query, ""))
        try:
            answer = await self._outbound.ask(self._method, url, one.headers)
        except OutboundError as error:
            return Answered(one, None, str(error))
        return Answered(one, answer.status)


async def probe(api: Api, material: Material, more: Sequence[Try] = (), fetched: Sequence[str] = ()) -> list[Finding]:
    """A finding for each row of the catalogue. ``more`` are tries of the caller's, ``fetched`` what the stranger's
    address was asked for meanwhile. Raises NothingShown."""
    await _opens(api, material.good)
    answers = [await api.ask(one) for one in (*tries(material), *more)]
    again = await api.ask(Try("good", "at the end", bearer(material.good)))
    if not again.accepted:
        raise NothingShown(
            "the good token is still accepted after the bad ones",
            received=again.words,
            expected="the answer it got at the beginning",
            mend="see whether the API limits its callers, or the token expired meanwhile, and try again",
        )
    return list(findings(answers, material, fetched))


async def _opens(api: Api, token: str) -> None:
    bare = await api.ask(Try("none", "no token"))
    if bare.accepted or bare.silent:
        raise NothingShown(
            "without a token the API refuses",
            received=bare.words,
            expected="401",
            mend="name an address that needs a token"
            if bare.accepted
            else "start the API; one elsewhere needs --i-own-this, and in a private network --allow",
        )
    shown = await api.ask(Try("good", "at the beginning", bearer(token)))
    if not shown.accepted:
        raise NothingShown(
            "a good token is accepted: otherwise refusing the bad ones proves nothing",
            received=shown.words,
            expected="200",
            mend="name the API and its scopes (--resource, --scope), or give a token it takes (--token -);"
            " idp why says what is wrong with one",
        )


def findings(answers: Iterable[Answered], material: Material, fetched: Sequence[str] = ()) -> Iterable[Finding]:
    by_row: dict[str, list[Answered]] = {name: [] for name in ROWS}
    for answered in answers:
        by_row[answered.asked.row].append(answered)
    came = {"jku-header": "/jwks.json" in fetched, "x5u-header": "/certificate.pem" in fetched}
    for name, row in ROWS.items():
        if not by_row[name]:
            yield note(name, f"not tried: {row.what}", mend=_missing(row, material))
        else:
            yield _judged(row, by_row[name], came=came.get(name, False))


def _judged(row: Row, answers: Sequence[Answered], *, came: bool) -> Finding:
    accepted = [answered for answered in answers if answered.accepted]
    if accepted:
        how = "; ".join(answered.asked.how for answered in accepted)
        received = f"{accepted[0].words} ({how})"
        return bad(row.name, f"accepted: {row.what}", received=received, expected=f"401: {row.rule}", mend=row.mend)
    if came:
        return bad(
            row.name, "refused, but the API went to the address that the token named",
            received="a request at this machine's own listener", expected=f"none: {row.rule}", mend=row.mend,
        )  # fmt: skip
    silent = [answered for answered in answers if answered.silent]
    if silent:
        return bad(
            row.name, f"no answer to: {row.what}", received=f"{silent[0].words} ({silent[0].asked.how})",
            expected="401", mend="see the API's log, and try again: without an answer nothing is known",
        )  # fmt: skip
    broke = [answered for answered in answers if answered.status is not None and answered.status >= 500]
    if broke:
        return bad(
            row.name, f"the API broke on: {row.what}", received=f"{broke[0].words} ({broke[0].asked.how})",
            expected="401", mend="catch what your verifier raises and answer 401: strangers can send this",
        )  # fmt: skip
    return good(row.name, f"refused: {row.what} ({len(answers)} {'try' if len(answers) == 1 else 'tries'})")


def _missing(row: Row, material: Material) -> str:
    if row.name == "retired-kid":
        return "idp probe --retire withdraws a key of the running provider for it"
    if row.issuer:
        return "it takes the issuer's key: start idp dev and leave --token out"
    if row.name == "stripped-cnf":
        return "pass a token that is bound to a key, or leave --token out"
    return "the API cannot reach this machine: probe it where it runs on loopback"


def counts(found: Iterable[Finding]) -> Mapping[str, int]:
    """How many rows were accepted wrongly, are bad otherwise, refused, and not tried."""
    told = {"accepted": 0, "other": 0, "refused": 0, "not_tried": 0}
    for finding in found:
        wrongly = finding.said.startswith("accepted")
        told[{"good": "refused", "note": "not_tried"}.get(finding.state, "accepted" if wrongly else "other")] += 1
    return told
