"""Reading JSON objects that programs send (RFC 8259): one meaning only, of bounded depth and size."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from idp.jose import JoseError
from idp.jose.json import loads_strict
from idp.protocol.errors import Refused, visible

MAX_DEPTH = 8


async def read_json_object(http: Request, error: str) -> dict[str, Any]:
    """The body's members. Raises Refused: 415 for another type, 400 with ``error`` for what is no JSON object."""
    kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = http.headers.get("content-encoding", "identity")
    if kind != "application/json" or coding != "identity":
        raise Refused(
            "invalid_request",
            "This endpoint reads application/json, without compression.",
            rule="RFC 7591 3.1",
            received=f"Content-Type {visible(kind, 60) or '(none)'}, Content-Encoding {visible(coding, 40)}",
            expected="Content-Type: application/json",
            mend="Send the members as one JSON object.",
            status=415,
        )
    try:
        members = loads_strict(await http.body(), MAX_DEPTH)
    except JoseError as trouble:
        raise _no_object(error, str(trouble)) from None
    if not isinstance(members, dict):
        raise _no_object(error, f"a JSON {type(members).__name__}")
    return members


def _no_object(error: str, received: str) -> Refused:
    return Refused(
        error,
        f"The body is not one JSON object: {visible(received, 200)}",
        rule="RFC 7591 3.1",
        received=visible(received, 200),
        expected=f"a JSON object in UTF-8, each member once, at most {MAX_DEPTH} levels deep",
        mend="Write the body with a JSON library.",
    )
