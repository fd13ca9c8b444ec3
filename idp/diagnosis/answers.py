"""Single answers of a provider: what its token endpoint says to nobody, and which web pages may read what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from idp.diagnosis.finding import Finding, bad, good, note
from idp.jose import JoseError, loads_strict
from idp.jose.errors import shown
from idp.outbound import Answer

NOBODY = "https://nobody.invalid"  # an origin that no app has (RFC 6761 6.4)


def token_answers(empty: Answer, preflight: Answer, origin: str | None) -> Iterator[Finding]:
    if empty.status in (400, 401) and json_object(empty, empty.status) is not None:
        yield good("token", f"a request without a code is refused with {empty.status} and JSON")
    else:
        to = f" to {shown(empty.headers.get('location', ''))}" if 300 <= empty.status < 400 else ""
        mend = "no redirect here: a form with secrets would be sent again; errors are JSON (RFC 6749 5.2)"
        yield bad(
            "token",
            "a request without a code gets a strange answer",
            received=f"{empty.status}{to}",
            expected="400 or 401 with JSON",
            mend=mend,
        )
    allowed = preflight.headers.get("access-control-allow-origin", "")
    if origin is not None and allowed not in ("*", origin):
        mend = "register the app with this origin at the provider (its redirect URI, or web origins)"
        yield bad(
            "cors-token",
            f"apps at {origin} may not ask for tokens",
            received=shown(allowed) or "no origin",
            expected=origin,
            mend=mend,
        )
    elif origin is None and allowed and preflight.headers.get("access-control-allow-credentials") == "true":
        mend = "allow the origins of registered apps alone, and no credentials"
        yield bad(
            "cors-token",
            "any web page may ask for tokens with cookies",
            received=shown(allowed),
            expected="no credentials",
            mend=mend,
        )
    elif origin is None:
        yield good("cors-token", "no web page of a stranger gets in with cookies (--origin tries one of yours)")
    else:
        yield good("cors-token", f"apps at {origin} may ask for tokens")


def readable(check: str, what: str, answer: Answer) -> Finding:
    if answer.headers.get("access-control-allow-origin") in ("*", NOBODY):
        return good(check, f"web pages may read {what}")
    return note(
        check, f"web pages may not read {what}", mend="send Access-Control-Allow-Origin: *; apps in browsers need it"
    )


def json_object(answer: Answer, status: int = 200) -> Mapping[str, Any] | None:
    try:
        value = loads_strict(answer.body) if answer.status == status else None
    except JoseError:
        return None
    return value if isinstance(value, dict) else None
