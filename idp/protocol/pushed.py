"""Pushed authorization requests (RFC 9126): the handle's form, who has to push, and what is said of a bad handle."""

from __future__ import annotations

from typing import Any

from idp.protocol.errors import Refused, Shown
from idp.protocol.request import PUSHED, Draft

PREFIX = "urn:ietf:params:oauth:request_uri:"  # RFC 9126 2.2, registered for exactly this


def pushed_if_required(draft: Draft) -> dict[str, Any]:
    """RFC 9126 5 and 6: refuses plain requests where only pushed ones are taken."""
    client = draft.client
    if PUSHED in draft.via or not (client.require_pushed_authorization_requests or draft.rules.pushed_only):
        return {}
    whose = "this server" if draft.rules.pushed_only else f"client {client.client_id}"
    raise Refused(
        "invalid_request",
        "Authorization requests have to be pushed first.",
        rule="RFC 9126 5, 6",
        received="a request that was not pushed",
        expected="request_uri as the pushed authorization request endpoint gave it",
        mend=f"POST the parameters to /par; {whose} says require_pushed_authorization_requests.",
    )


def bad_handle(received: str) -> Shown:
    """Nobody vouches for the address the answer would go to, so the person is told."""
    return Shown(
        "invalid_request_uri",
        "This sign-in request is not valid, or not any more.",
        rule="RFC 9126 4",
        received=received,
        expected="the request_uri this client was given, opened in time and answered once",
        mend="Go back to the app and start again; a client pushes a fresh request for every sign-in.",
    )
