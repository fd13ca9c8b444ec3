"""A program on a person's own machine that signs them in with their own browser (RFC 8252).

    python desktop.py             sign in, or use what was kept; then Enter asks again who is signed in
    python desktop.py --forget    sign out here: the provider is told, and what was kept is deleted
"""

import argparse
import sys
from typing import Any

import kept
import loopback
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client

ISSUER, CLIENT_ID = "http://localhost:8000", "desktop"
SCOPE = "openid profile offline_access"


def metadata() -> dict[str, Any]:
    """Where everything is, from the issuer's name alone (OIDC Discovery 4)."""
    with OAuth2Client(trust_env=False) as http:
        answer = http.request("GET", f"{ISSUER}/.well-known/openid-configuration", withhold_token=True)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
    if found["issuer"] != ISSUER:
        raise SystemExit(f"{ISSUER} says it is {found['issuer']}: not signing in there")
    return found


def app(known: dict[str, Any], token: dict[str, Any] | None = None) -> OAuth2Client:
    """Authlib's client: it renews an access token that has run out, and every renewal brings another refresh token."""

    def renewed(token: dict[str, Any], **_: Any) -> None:
        kept.keep(CLIENT_ID, token["refresh_token"])

    return OAuth2Client(
        CLIENT_ID,
        scope=SCOPE,
        token=token,
        token_endpoint=known["token_endpoint"],
        token_endpoint_auth_method="none",
        code_challenge_method="S256",
        update_token=renewed,
        trust_env=False,
    )


def signed_in(known: dict[str, Any]) -> OAuth2Client:
    """By the refresh token of last time; where there is none, or it counts no more, by the browser."""
    refresh_token = kept.find(CLIENT_ID)
    if refresh_token:
        client = app(known)
        try:
            client.refresh_token(known["token_endpoint"], refresh_token)
        except OAuthError as refused:
            print(f"Signing in again: {refused.error}", flush=True)
            kept.forget(CLIENT_ID)
        else:
            return client
    client = app(known)
    with loopback.Listener(ISSUER) as listener:
        client.redirect_uri = listener.redirect_uri
        verifier = loopback.random_text()
        url, _ = client.create_authorization_url(
            known["authorization_endpoint"], state=listener.state, code_verifier=verifier
        )
        code = listener.answer_to(url)
    token = client.fetch_token(known["token_endpoint"], code=code, code_verifier=verifier)
    where = kept.keep(CLIENT_ID, token["refresh_token"])
    print(f"The refresh token is kept in {where}.", flush=True)
    return client


def forget(known: dict[str, Any]) -> None:
    """Revoking the refresh token ends the whole grant at the provider (RFC 7009 2.1)."""
    refresh_token = kept.find(CLIENT_ID)
    if not refresh_token:
        print("Nobody was signed in.")
        return
    app(known).revoke_token(known["revocation_endpoint"], refresh_token, "refresh_token").raise_for_status()
    kept.forget(CLIENT_ID)
    print("Signed out.")


def main() -> None:
    parser = argparse.ArgumentParser(description="Sign in from a desktop program.")
    parser.add_argument("--forget", action="store_true", help="sign out and delete what was kept")
    known = metadata()
    if parser.parse_args().forget:
        forget(known)
        return
    client = signed_in(known)
    while True:
        # The provider itself says who it is, over our own connection: no ID token has to be verified for that.
        try:
            person = client.get(known["userinfo_endpoint"]).raise_for_status().json()
        except OAuthError as refused:  # the access token had run out, and the refresh token counts no more
            kept.forget(CLIENT_ID)
            raise SystemExit(f"The sign-in has ended ({refused.error}). Start again.") from None
        print(f"Signed in as {person['name']}. Enter asks again, Ctrl+D ends.", flush=True)
        if not sys.stdin.readline():
            return


if __name__ == "__main__":
    main()
