"""What a provider says of itself: discovery documents, judged by the address they were asked for under."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from idp.diagnosis.finding import Finding, bad, good, note
from idp.jose.errors import shown

Metadata = Mapping[str, Any]
_FORWARDED = "let the proxy send Host, X-Forwarded-Proto and X-Forwarded-Host, and tell the provider its public address"


def issuer_finding(document: Metadata, asked: str) -> Finding:
    """OpenID Connect Discovery 4.3 and RFC 8414 3.3: the same text, letter by letter."""
    named = document.get("issuer")
    if named == asked:
        return good("issuer", f"issuer is {asked}, letter by letter as it was asked for")
    received, mend = shown(named), "set the issuer to the address people and apps use"
    said = "the document is of another issuer"
    if isinstance(named, str):
        ours, theirs = urlsplit(asked), urlsplit(named)
        if named.rstrip("/") == asked.rstrip("/"):
            said = "they differ in the slash at the end"
            mend = (
                "configure the verifiers with the issuer as the document spells it, or ask for that: idp doctor "
                + named
            )
        elif (ours.scheme, theirs.scheme) == ("https", "http") and ours.netloc == theirs.netloc:
            said, mend = "asked over https, it calls itself http: it does not see what the proxy does", _FORWARDED
        elif ours.netloc != theirs.netloc:
            said, mend = "it knows itself under another host", _FORWARDED
    return bad("issuer", said, received=received, expected=asked, mend=mend)


def both_documents(openid: Metadata | None, oauth: Metadata | None) -> Finding:
    """RFC 8414 beside OpenID Connect Discovery: where both are there, they must not differ."""
    if openid is None or oauth is None:
        missing = "/.well-known/openid-configuration" if openid is None else "/.well-known/oauth-authorization-server"
        return note(
            "documents", f"{missing} is not there", mend="publish it too: OAuth clients read one, OpenID ones the other"
        )
    differing = sorted(name for name in openid.keys() & oauth.keys() if openid[name] != oauth[name])
    if differing:
        received = ", ".join(differing)
        return bad(
            "documents", "discovery and RFC 8414 metadata say different things", received=received,
            expected="equal members", mend="make both from one source",
        )  # fmt: skip
    return good("documents", "OpenID discovery and RFC 8414 metadata agree")


def addresses(document: Metadata, asked: str) -> Iterator[Finding]:
    """What a proxy that is not known to the provider does to its addresses."""
    ours = urlsplit(asked)
    named = {name: value for name, value in document.items() if name.endswith("_endpoint") or name == "jwks_uri"}
    plain, foreign = [], []
    for name, value in sorted(named.items()):
        parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
        if ours.scheme == "https" and parts.scheme != "https":
            plain.append(name)
        elif parts.netloc != ours.netloc:
            foreign.append(f"{name} at {shown(parts.netloc)}")
    if plain:
        yield bad(
            "addresses", "asked over https, it names addresses that are not", received=", ".join(plain),
            expected="https", mend=_FORWARDED,
        )  # fmt: skip
    elif foreign:
        yield note("addresses", f"on another host: {', '.join(foreign)}", mend=f"if that was not meant: {_FORWARDED}")
    else:
        yield good("addresses", f"all {len(named)} addresses are {ours.scheme}://{ours.netloc}")


def promises(document: Metadata) -> Iterator[Finding]:
    """What clients have to rely on: PKCE (RFC 9700 2.1.1), iss (RFC 9207), no unsigned tokens (RFC 8725 3.2)."""
    methods = document.get("code_challenge_methods_supported")
    if "authorization_endpoint" in document:
        yield _pkce(methods if isinstance(methods, list) else [])
        if document.get("authorization_response_iss_parameter_supported") is True:
            yield good("iss", "answers say who gives them: iss (RFC 9207)")
        else:
            yield note(
                "iss", "answers do not say who gives them: an app with two providers can be told the wrong one",
                mend="switch on the iss parameter (RFC 9207); until then give each provider a redirect URI of its own",
            )  # fmt: skip
    unsigned = sorted(
        name for name, value in document.items()
        if "signing_alg" in name and isinstance(value, list) and "none" in value
    )  # fmt: skip
    if unsigned:
        yield bad(
            "alg-none", "alg none is offered", received=", ".join(unsigned), expected="signed tokens alone",
            mend="take none out of the algorithms: anybody can write such a token (RFC 8725 3.2)",
        )  # fmt: skip
    else:
        yield good("alg-none", "alg none is offered nowhere")


def _pkce(methods: list[Any]) -> Finding:
    expected = "S256 (RFC 9700 2.1.1)"
    if "S256" not in methods:
        received = shown(", ".join(map(str, methods)) or "no code_challenge_methods_supported")
        mend = "switch on PKCE with S256, and demand it of public clients"
        return bad("pkce", "PKCE with S256 is not offered", received=received, expected=expected, mend=mend)
    if "plain" in methods:
        return note("pkce", "PKCE offers S256, and plain beside it", mend="take plain away: it hides nothing")
    return good("pkce", "PKCE with S256, and nothing weaker")
