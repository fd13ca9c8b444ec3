"""Checks of what a request asks beyond scopes: claims one by one (OIDC Core 5.5), and how strong a sign-in."""

from __future__ import annotations

from typing import Any

from idp.protocol.acr import AcrRequest
from idp.protocol.claims import opened_by
from idp.protocol.claims_request import ClaimsRequest, Wish, read_claims
from idp.protocol.request import Draft


def claims(draft: Draft) -> dict[str, Any]:
    """The ``scope`` a client is registered with bounds what it may ask by either way."""
    text = draft.parameters.get("claims")
    if text is None:
        return {}
    within = opened_by(draft.client.scopes & draft.rules.scopes, draft.rules.added)
    asked = read_claims(text, draft.settled["scope"], within)
    return {"claims": asked} if "openid" in draft.settled["scope"] else {}


def acr(draft: Draft) -> dict[str, Any]:
    """OIDC Core 5.5.1.1: essential means necessary, ``acr_values`` a preference.

    Sent together with ``max_age`` it is the request of a client that a resource sent back, and necessary (RFC 9470 5).
    """
    asked: ClaimsRequest | None = draft.settled.get("claims")
    wish = (asked.acr if asked else None) or Wish()
    values = tuple(str(value) for value in wish.values)
    if values and wish.essential:
        return {"acr": AcrRequest(values, True, draft.rules.levels)}
    sent = draft.parameters.words("acr_values")
    wishes = values or sent or draft.client.default_acr_values
    if not wishes:
        return {}
    stepping_up = wishes is sent and draft.parameters.get("max_age") is not None
    return {"acr": AcrRequest(wishes, stepping_up, draft.rules.levels)}
