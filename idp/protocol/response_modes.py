"""By which mode an answer travels: OAuth 2.0 Multiple Response Types 2.1, Form Post Response Mode, JARM 2.3."""

from __future__ import annotations

from urllib.parse import urlsplit

from idp.protocol.errors import Refused, visible
from idp.protocol.parameters import Parameters

_FRONT = frozenset({"token", "id_token"})
_BY_QUERY = ("query", "query.jwt")
_BY_FORM = ("form_post", "form_post.jwt")


def default_mode(response_type: str | None) -> str:
    """``fragment`` where the answer may hold a token, because a fragment reaches no server's log; else ``query``."""
    return "fragment" if _FRONT & set((response_type or "").split(" ")) else "query"


def mode_of(parameters: Parameters, default: str) -> str:
    """The mode asked for, or the response type's where none was, or where that one cannot carry this answer."""
    asked = parameters.get("response_mode")
    return default if asked is None or misuse(parameters) is not None else asked


def misuse(parameters: Parameters) -> Refused | None:
    """Why the mode asked for cannot carry this answer, with this response type and redirect URI."""
    asked = parameters.get("response_mode")
    if asked in _BY_QUERY and default_mode(parameters.get("response_type")) == "fragment":
        return Refused(
            "invalid_request",
            "Tokens are never delivered in a query.",
            rule="OAuth 2.0 Multiple Response Types 3, JARM 2.3.1",
            received=f"response_mode {asked} with response_type {visible(parameters.get('response_type') or '')}",
            expected="fragment or form_post",
            mend="Leave response_mode out, or ask for form_post.",
        )
    redirect_uri = parameters.get("redirect_uri") or ""
    if asked in _BY_FORM and urlsplit(redirect_uri).scheme not in ("http", "https"):
        return Refused(
            "invalid_request",
            "A form can only be posted to an http or https address.",
            rule="OAuth 2.0 Form Post Response Mode 2",
            received=f"response_mode {asked} for {visible(redirect_uri, 400)}",
            expected="an http or https redirect_uri",
            mend="Leave response_mode out: an installed app reads the address it is opened with.",
        )
    return None
