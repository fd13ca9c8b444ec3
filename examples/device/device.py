"""Sign in from a machine without a browser: show a code and a link, and wait (RFC 8628)."""

import time
from collections.abc import Callable
from typing import Any

import httpx2

ISSUER, CLIENT_ID = "http://localhost:8000", "terminal"
SCOPE = "openid profile offline_access"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"

Json = dict[str, Any]


class NotSignedIn(Exception):
    """The person said no, or nobody came in time."""


def ask(http: httpx2.Client, known: Json) -> Json:
    """A pair of codes: ``user_code`` is for the person, ``device_code`` for nobody but this process."""
    answer = http.post(known["device_authorization_endpoint"], data={"client_id": CLIENT_ID, "scope": SCOPE})
    answer.raise_for_status()
    told: Json = answer.json()
    return told


def wait(http: httpx2.Client, known: Json, told: Json, sleep: Callable[[float], None] = time.sleep) -> Json:
    """Ask again and again, as slowly as the provider wants; the tokens, or ``NotSignedIn``."""
    form = {"grant_type": GRANT, "device_code": told["device_code"], "client_id": CLIENT_ID}
    interval = float(told.get("interval", 5))  # RFC 8628 3.2: five seconds where it says nothing
    until = time.monotonic() + float(told["expires_in"])
    while time.monotonic() < until:
        sleep(interval)
        try:
            answer = http.post(known["token_endpoint"], data=form)
        except httpx2.TransportError:
            interval *= 2  # 3.5: who does not answer is asked less often
            continue
        if answer.status_code == 200:
            tokens: Json = answer.json()
            return tokens
        if answer.status_code >= 500:
            interval *= 2
            continue
        refused: Json = answer.json()
        if refused["error"] == "slow_down":
            interval += 5  # 3.5: from now on, not only this once
        elif refused["error"] != "authorization_pending":
            raise NotSignedIn(refused.get("error_description") or refused["error"])
    raise NotSignedIn("Nobody typed the code in time.")


def main() -> None:
    with httpx2.Client(trust_env=False) as http:
        known = http.get(f"{ISSUER}/.well-known/openid-configuration").raise_for_status().json()
        told = ask(http, known)
        print(f"On any device with a browser open  {told['verification_uri']}")
        print(f"and type the code                  {told['user_code']}")
        print(f"or open both at once: {told['verification_uri_complete']}", flush=True)
        try:
            tokens = wait(http, known, told)
        except NotSignedIn as refused:
            raise SystemExit(f"Not signed in: {refused}") from None
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        person = http.get(known["userinfo_endpoint"], headers=bearer).raise_for_status().json()
        print(f"Signed in as {person['name']}.")


if __name__ == "__main__":
    main()
