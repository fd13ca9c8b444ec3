"""``idp login`` and ``idp logout``: the code flow with PKCE of a native app (RFC 8252), at the prompt."""

from __future__ import annotations

import base64
import hashlib
import secrets
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.http import get_object, post_form
from idp.cli.listener import Listener
from idp.cli.session_file import StoredSession, forget, load, save
from idp.cli.trouble import Trouble
from idp.jose.public import VERIFYING_ALGORITHMS
from idp.verify import Refused, Verifier
from idp.verify.discovery import discovery_urls

DEFAULT_CLIENT = "sample"
_REFUSED = "the sign-in did not succeed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request's secrets: each answer must match all of them."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Attempt:
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))

    @property
    def challenge(self) -> str:
        """RFC 7636 4.2, S256."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@click.command()
@click.option("--issuer", help="The provider; default: the one of the settings.")
@click.option(
    "--client",
    default=DEFAULT_CLIENT,
    show_default=True,
    help="A public native app with the redirect URI http://127.0.0.1/callback.",
)
@click.option("--scope", default="openid profile email offline_access", show_default=True)
@click.option("--browser/--no-browser", default=True, help="Open the address, or only print it.")
@click.option("--timeout", type=click.IntRange(1, 3600), default=300, show_default=True, help="Seconds to wait.")
@pass_desk
def login(desk: Desk, issuer: str | None, client: str, scope: str, browser: bool, timeout: int) -> None:
    """Sign in with your browser and keep the tokens for idp refresh. Prints the access token."""
    settings = desk.settings()
    issuer = issuer or desk.issuer()
    metadata = _metadata(issuer)
    attempt = Attempt.new()
    with Listener() as listener:
        url = _request_url(metadata, attempt, client, scope, listener.redirect_uri)
        say.note(f"sign in here:\n  {url}")
        if browser:
            webbrowser.open(url)
        parameters = listener.wait(timeout)
        code = _code(parameters, attempt, issuer)
        answer = _redeem(metadata, attempt, client, code, listener.redirect_uri)
    subject = _subject(answer, attempt, issuer, client, metadata, desk)
    stored = StoredSession.of({**answer, **metadata, "client_id": client, "person": None})
    path = save(settings.data_dir, stored)
    say.line(stored.access_token)
    say.note(f"signed in as {say.printable(subject)}; tokens are kept in {path}")
    say.next_commands(("idp refresh", "new tokens, no browser"), ("idp logout", "give them back"))


@click.command()
@pass_desk
def logout(desk: Desk) -> None:
    """Revoke the stored refresh token and forget all tokens. Your browser stays signed in."""
    folder = desk.settings().data_dir
    stored = load(folder)
    if stored.refresh_token and stored.revocation_endpoint:
        fields = {
            "token": stored.refresh_token,
            "token_type_hint": "refresh_token",
            "client_id": stored.client_id,
        }
        answer = post_form(stored.revocation_endpoint, fields)
        if answer.status != 200:
            raise Trouble(
                "the server did not take the token back",
                received=answer.sentence,
                expected="200 (RFC 7009 2.2)",
                mend="see idp audit tail, then try again",
            )
        say.line("the refresh token is revoked")
    forget(folder)
    say.line("the stored tokens are forgotten")
    say.next_commands((f"open {stored.issuer}/logout", "sign your browser out as well"))


def _metadata(issuer: str) -> Mapping[str, Any]:
    metadata = get_object(discovery_urls(issuer)[0])
    if metadata.get("issuer") != issuer:
        raise Trouble(
            "the issuer's document must be its own (OpenID Connect Discovery 4.3)",
            received=str(metadata.get("issuer")),
            expected=issuer,
            mend="pass --issuer letter by letter as the document has it",
        )
    for name in ("authorization_endpoint", "token_endpoint"):
        if not isinstance(metadata.get(name), str):
            raise Trouble("the issuer's document names its endpoints", received=f"no {name}")
    return metadata


def _request_url(metadata: Mapping[str, Any], attempt: Attempt, client: str, scope: str, redirect_uri: str) -> str:
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": attempt.challenge,
        "code_challenge_method": "S256",
    }
    return f"{metadata['authorization_endpoint']}?{urlencode(query)}"


def _code(parameters: Mapping[str, str], attempt: Attempt, issuer: str) -> str:
    """Check who answers and to what (RFC 9207 2.4, RFC 6749 4.1.2) before anything else is believed."""
    if not secrets.compare_digest(parameters.get("state", "").encode(), attempt.state.encode()):
        raise Trouble(_REFUSED, received="an answer to another request", expected="the state sent", mend="idp login")
    if parameters.get("iss", issuer) != issuer:
        raise Trouble(_REFUSED, received=parameters["iss"], expected=issuer, mend="idp login")
    if "error" in parameters:
        words = f"{parameters['error']}: {parameters.get('error_description', '')}"
        raise Trouble(_REFUSED, received=words, expected="a code", mend="idp login")
    if not parameters.get("code"):
        raise Trouble(_REFUSED, received="no code", expected="a code", mend="idp login")
    return parameters["code"]


def _redeem(
    metadata: Mapping[str, Any], attempt: Attempt, client: str, code: str, redirect_uri: str
) -> Mapping[str, Any]:
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": client,
        "code_verifier": attempt.verifier,
    }
    answer = post_form(metadata["token_endpoint"], fields)
    if answer.status != 200 or not isinstance(answer.body.get("access_token"), str):
        raise Trouble(_REFUSED, received=answer.sentence, expected="200 with tokens", mend="see idp audit tail")
    return answer.body


def _subject(
    answer: Mapping[str, Any],
    attempt: Attempt,
    issuer: str,
    client: str,
    metadata: Mapping[str, Any],
    desk: Desk,
) -> str:
    """Who signed in, by the ID token (OpenID Connect Core 3.1.3.7)."""
    verifier = Verifier(
        issuer,
        client,
        typ="JWT",
        algorithms=VERIFYING_ALGORITHMS,
        jwks_uri=metadata.get("jwks_uri"),
        clock=desk.clock,
    )
    try:
        verified = verifier.verify_sync(str(answer.get("id_token", "")))
    except Refused as refused:
        raise Trouble(f"the ID token is not valid: {refused}", mend="report this to the provider") from None
    if verified.claims.get("nonce") != attempt.nonce:
        raise Trouble("the ID token answers another request", expected="the nonce sent", mend="idp login")
    return verified.subject
