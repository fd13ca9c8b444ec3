"""Looking at any provider from outside, as its apps and APIs see it. It reads; nobody is signed in, nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from idp.diagnosis import keys, metadata
from idp.diagnosis.answers import NOBODY, json_object, readable, token_answers
from idp.diagnosis.finding import Finding, bad, good, note
from idp.jose.errors import shown
from idp.outbound import Answer, Outbound, OutboundError
from idp.outbound_tls import NotTrusted, handshake
from idp.verify.discovery import discovery_urls

_DAY = 86_400.0
_SOON = 21 * _DAY
_JSON = ("Accept", "application/json")


@dataclass(frozen=True, slots=True)
class Doctor:
    """``clock`` gives Unix seconds, ``origin`` is of an app in a browser that has to get in.

    ``lead`` is as in ``keys.rotation``.
    """

    outbound: Outbound
    clock: Callable[[], float]
    ca_file: Path | None = None
    origin: str | None = None
    lead: float | None = None

    async def examine(self, issuer: str) -> list[Finding]:
        """Every finding, in the order in which one would look."""
        found = [await self._tls(issuer)]
        openid, oauth = discovery_urls(issuer)
        documents: dict[str, Mapping[str, Any] | None] = {}
        for url in (openid, oauth):
            documents[url] = await self._document(url, found if url == openid else [])
        document = documents[openid] or documents[oauth]
        if document is None:
            return found
        found.append(metadata.issuer_finding(document, issuer))
        found.append(metadata.both_documents(documents[openid], documents[oauth]))
        found.extend(metadata.addresses(document, issuer))
        found.append(await self._forged_proxy(openid if documents[openid] else oauth, document))
        found.extend(metadata.promises(document))
        found.extend(await self._keys(document))
        found.extend(await self._token_endpoint(document))
        return found

    async def _tls(self, issuer: str) -> Finding:
        parts = urlsplit(issuer)
        if parts.scheme != "https":
            return note("tls", "plain http, on this machine", mend="for others: https, with a certificate they trust")
        host = parts.hostname or ""
        try:
            seen = await handshake(self.outbound.guard, host, parts.port or 443, self.ca_file)
        except NotTrusted as error:
            mend = "send the whole chain (fullchain.pem) for this name; with an authority of your own: --ca-file"
            return bad(
                "tls",
                "the connection is not trusted",
                received=shown(str(error)),
                expected=f"a chain for {host}",
                mend=mend,
            )
        except OutboundError as error:
            mend = "check the address; one in a private network needs --allow"
            return bad("tls", "nobody answers", received=str(error), expected="a TLS server", mend=mend)
        left = seen.expires_at - self.clock()
        if left < _SOON:
            mend = "renew it, and let that happen by itself (certbot, Caddy)"
            return bad(
                "tls",
                "the certificate expires soon",
                received=f"{left / _DAY:.0f} days",
                expected="21 or more",
                mend=mend,
            )
        return good("tls", f"{seen.version}, the certificate is trusted and good for {left / _DAY:.0f} days")

    async def _document(self, url: str, found: list[Finding]) -> Mapping[str, Any] | None:
        try:
            before = self.clock()
            answer = await self.outbound.ask("GET", url, (_JSON, ("Origin", NOBODY)))
            after = self.clock()
        except OutboundError as error:
            mend = "start it; one in a private network needs --allow"
            found.append(bad("discovery", "nobody answers", received=str(error), expected=f"200 from {url}", mend=mend))
            return None
        if 300 <= answer.status < 400:
            to = shown(answer.headers.get("location", "nowhere"))
            mend = "ask for, and configure, the address it leads to: verifiers follow no redirect"
            found.append(bad("discovery", "a redirect", received=f"{answer.status} to {to}", expected="200", mend=mend))
            return None
        value = json_object(answer)
        if value is None:
            mend = "check the issuer: its discovery document stands behind it"
            received = f"{answer.status} {shown(answer.headers.get('content-type', ''))}".strip()
            found.append(bad("discovery", "no JSON object", received=received, expected=f"200 from {url}", mend=mend))
            return None
        found.append(good("discovery", url))
        found.append(self._skew(answer, before, after))
        found.append(readable("cors", "discovery", answer))
        return value

    def _skew(self, answer: Answer, before: float, after: float) -> Finding:
        try:
            theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
        except (KeyError, ValueError, TypeError):
            return note("clock", "the answer has no Date: clocks were not compared", mend="send Date (RFC 9110 6.6.1)")
        # Date has whole seconds.
        off = theirs - before if theirs < before - 1 else max(0.0, theirs - after)
        if abs(off) > 5:
            mend = "NTP on both machines: tokens are refused as expired, or as not valid yet"
            return bad(
                "clock",
                "the clocks differ",
                received=f"{off:+.0f} s against this machine",
                expected="5 s at most",
                mend=mend,
            )
        return good("clock", "the clocks agree")

    async def _forged_proxy(self, url: str, document: Mapping[str, Any]) -> Finding:
        """Headers that only a proxy may send, from here: where they change the document, anybody can."""
        forged = (
            _JSON,
            ("X-Forwarded-Host", "nobody.invalid"),
            ("X-Forwarded-Proto", "http"),
            ("Forwarded", "host=nobody.invalid;proto=http"),
        )
        try:
            # An address of its own, so that no cache on the way keeps the answer for others.
            answer = await self.outbound.ask("GET", f"{url}?idp-doctor={self.clock():.0f}", forged)
        except OutboundError as error:
            return note("forwarded", f"not looked at: {error}", mend="try again")
        value = json_object(answer)
        if value is not None and value != document:
            return bad(
                "forwarded", "forwarding headers from anybody change what it says", received="other addresses",
                expected="the same document",
                mend="let the proxy overwrite X-Forwarded-* and Forwarded, and trust it alone",
            )  # fmt: skip
        return good("forwarded", "forged forwarding headers change nothing")

    async def _keys(self, document: Mapping[str, Any]) -> list[Finding]:
        url = document.get("jwks_uri")
        if not isinstance(url, str):
            return [bad("jwks", "no jwks_uri", received="none", expected="an address", mend="publish the public keys")]
        try:
            answer = await self.outbound.ask("GET", url, (_JSON, ("Origin", NOBODY)))
        except OutboundError as error:
            return [
                bad(
                    "jwks",
                    "nobody answers",
                    received=str(error),
                    expected=f"200 from {shown(url)}",
                    mend="check jwks_uri",
                )
            ]
        value = json_object(answer)
        members = value.get("keys") if value else None
        if not isinstance(members, list):
            mend = "answer with a JWK Set (RFC 7517 5), without a redirect"
            return [bad("jwks", "no key set", received=str(answer.status), expected='200 {"keys": [...]}', mend=mend)]
        announced = document.get("id_token_signing_alg_values_supported")
        listed = [alg for alg in announced if isinstance(alg, str)] if isinstance(announced, list) else []
        return [
            readable("cors-jwks", "the key set", answer),
            *keys.sound(members, listed),
            *keys.rotation(members, answer.headers.get("cache-control", ""), self.lead),
        ]

    async def _token_endpoint(self, document: Mapping[str, Any]) -> Sequence[Finding]:
        url = document.get("token_endpoint")
        if not isinstance(url, str):
            return [note("token", "no token endpoint", mend="a provider of ID tokens alone (implicit) is out of date")]
        origin = self.origin or NOBODY
        asked = (("Origin", origin), ("Access-Control-Request-Method", "POST"))
        try:
            empty = await self.outbound.post_form(url, {"grant_type": "authorization_code"})
            preflight = await self.outbound.ask("OPTIONS", url, asked)
        except OutboundError as error:
            return [
                bad(
                    "token",
                    "nobody answers",
                    received=str(error),
                    expected=f"400 from {shown(url)}",
                    mend="check the address",
                )
            ]
        return list(token_answers(empty, preflight, self.origin))
