"""What holds where tokens come from the authorization endpoint itself (OpenID Connect Core 3.2 and 3.3)."""

from __future__ import annotations

from typing import Any

from idp.protocol.errors import Refused
from idp.protocol.request import Draft

RESPONSE_TYPES = ("id_token", "id_token token", "code id_token", "code token", "code id_token token")


def id_token_rules(draft: Draft) -> dict[str, Any]:
    """OIDC Core 3.2.2.1 and 3.3.2.11: an ID token from here is for ``openid`` and holds a nonce, or could be another's.

    ``code token`` has none here, so it needs no nonce.
    """
    if not draft.wants("id_token"):
        return {}
    for missing, found in (("scope openid", "openid" in draft.settled["scope"]), ("nonce", draft.settled["nonce"])):
        if not found:
            raise Refused(
                "invalid_request",
                f"An ID token from the authorization endpoint needs {missing}.",
                rule="OpenID Connect Core 3.2.2.1",
                received=f"response_type {draft.settled['response_type']} without {missing}",
                expected=missing,
                mend="Send openid among the scopes and a fresh nonce, and compare it with the nonce of the ID token.",
            )
    return {}


def without_offline_access(draft: Draft) -> dict[str, Any]:
    """OIDC Core 11: no code, no refresh token, so ``offline_access`` is quietly left out of the grant."""
    words = draft.settled["scope"]
    if not draft.wants("code"):
        words = tuple(word for word in words if word != "offline_access")
    return {"scope": words}
