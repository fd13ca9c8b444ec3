"""How an access token comes with a request, and how it is refused (RFC 6750)."""

from __future__ import annotations

from collections.abc import Sequence

from idp.protocol.errors import Refused, registered_characters


def bearer_token(headers: Sequence[str], in_form: str | None = None) -> str:
    """The one token of a request: Authorization header, or form field; never the query (RFC 6750 2.3).

    ``headers`` are the values of every Authorization header that came.
    """
    if len(headers) + (in_form is not None) > 1:
        raise Refused(
            "invalid_request",
            "The token was sent more than once.",
            rule="RFC 6750 2",
            received=f"{len(headers)} Authorization headers and {int(in_form is not None)} access_token fields",
            expected="one of them",
            mend="Send the token in one Authorization header.",
        )
    if in_form is not None:
        return in_form
    if not headers:
        raise unauthorized(
            "",
            "No access token was sent.",
            received="no Authorization header",
            expected="Authorization: Bearer TOKEN; a token in the URL is not read",
        )
    scheme, _, token = headers[0].partition(" ")
    strange = not token.isascii() or " " in token or "," in token or "\t" in token or '"' in token
    if scheme.lower() != "bearer" or not token or strange:
        raise unauthorized(
            "invalid_token", "The Authorization header holds no Bearer token.", received=f"scheme {scheme[:20]}"
        )
    return token


def unauthorized(error: str, description: str, *, received: str = "", expected: str = "", status: int = 401) -> Refused:
    """RFC 6750 3: without any token the challenge names no error."""
    challenge = 'Bearer realm="idp"'
    if error:
        challenge += f', error="{error}", error_description="{registered_characters(description)}"'
    return Refused(
        error or "invalid_token",
        description,
        rule="RFC 6750 3",
        received=received,
        expected=expected or "a live access token (at+jwt) of this issuer",
        mend="idp decode TOKEN shows what is inside; idp verify TOKEN says what is wrong with it.",
        status=status,
        headers={"WWW-Authenticate": challenge},
    )
