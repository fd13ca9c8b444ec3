"""The authorization code flow with PKCE from the client's side, for tokens that only a real sign-in gives."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx2

from idp.testing.browser import Browser, Stuck
from idp.testing.registering import RegisteredClient


def run(
    http: httpx2.Client,
    browser: Browser,
    client: RegisteredClient,
    randomness: Callable[[int], bytes],
    parameters: Mapping[str, str],
) -> dict[str, Any]:
    """The token response (RFC 6749 5.1). Raises Stuck with what the provider answered instead."""
    verifier = base64.urlsafe_b64encode(randomness(32)).rstrip(b"=")
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=")
    request = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uris[0],
        "scope": client.scope,
        "code_challenge": challenge.decode(),
        "code_challenge_method": "S256",
        **parameters,
    }
    landing = browser.visit(f"/authorize?{urlencode(request)}")
    form = {
        "grant_type": "authorization_code",
        "code": landing.code,
        "redirect_uri": client.redirect_uris[0],
        "code_verifier": verifier.decode(),
    }
    if client.client_secret is None:
        answer = http.post("/token", data={**form, "client_id": client.client_id})
    else:
        answer = http.post("/token", data=form, auth=client.auth)
    if answer.status_code != 200:
        raise Stuck(f"the token endpoint answered {answer.status_code}: {answer.text}")
    found: dict[str, Any] = answer.json()
    return found
