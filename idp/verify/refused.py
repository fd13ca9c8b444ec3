"""A refused token: one value for the machine, the person and the HTTP answer (RFC 6750 section 3)."""

import math
from collections.abc import Sequence

_STATUS = {"scope": 403, "malformed_request": 400, "keys_unavailable": 503, "introspection_unavailable": 503}
_ERROR = {
    "scope": "insufficient_scope",
    "malformed_request": "invalid_request",
    "authentication": "insufficient_user_authentication",
    "proof": "invalid_dpop_proof",
    "replay": "invalid_dpop_proof",
}
_SILENT = frozenset({"missing_token", "keys_unavailable", "introspection_unavailable"})
_DESCRIPTION_LIMIT = 300


class Refused(Exception):
    """Why a token does not count here.

    ``reason``: ``missing_token``, ``malformed_request``, ``malformed``, ``too_large``, ``algorithm``,
    ``critical``, ``typ``, ``issuer``, ``unknown_key``, ``keys_unavailable``, ``signature``, ``claim``,
    ``audience``, ``subject``, ``expired``, ``not_yet_valid``, ``future``, ``scope``, ``authentication`` (the person
    has to sign in again, or by stronger means), ``inactive`` (an opaque token that its issuer does not vouch for),
    ``introspection_unavailable``, ``bound`` (a token that is bound to a key came without it, or the
    other way round), ``proof`` (the DPoP proof) or ``replay`` (it was used before). ``str()`` is a sentence fit for
    the caller of the API; ``received`` and ``expected`` are the two values that differ, where there are such.
    ``scope``, ``acr_values`` and ``max_age`` are what the resource asked for.
    """

    dpop: "tuple[str, ...]" = ()  # the algorithms of proofs, where DPoP is the scheme to answer in
    resource_metadata: str | None = None  # where the API's own metadata stands (RFC 9728), if it has any

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        received: str | None = None,
        expected: str | None = None,
        scope: Sequence[str] = (),
        acr_values: Sequence[str] = (),
        max_age: float | None = None,
    ):
        super().__init__(message)
        self.reason = reason
        self.received = received
        self.expected = expected
        self.scope = tuple(scope)
        self.acr_values = tuple(acr_values)
        self.max_age = max_age

    @property
    def status(self) -> int:
        """The HTTP status: 401, 403 (a scope is missing), 400 (no well-formed request) or 503 (nobody to ask)."""
        return _STATUS.get(self.reason, 401)

    @property
    def error(self) -> str | None:
        """The error word of RFC 6750 section 3.1; None without a token, or where the fault is ours."""
        return None if self.reason in _SILENT else _ERROR.get(self.reason, "invalid_token")

    def www_authenticate(self, **parameters: str) -> str:
        """The WWW-Authenticate header; ``parameters`` (``realm``, ``resource_metadata``) come first. The verifier's own
        ``resource_metadata`` is in it without being asked for.

        Pure ASCII on one line whatever the token held: error_description has no room for quotes, backslashes
        and other characters (RFC 6750 section 3). It is of the scheme DPoP where the request was (RFC 9449 section
        7.1).
        """
        pointer = {} if self.resource_metadata is None else {"resource_metadata": self.resource_metadata}
        values = pointer | parameters
        if self.error is not None:
            values |= {"error": self.error, "error_description": str(self)[:_DESCRIPTION_LIMIT]}
            if self.scope:
                values["scope"] = " ".join(self.scope)
            # RFC 9470 section 3: the client sends both in its next authorization request.
            if self.acr_values:
                values["acr_values"] = " ".join(self.acr_values)
            if self.max_age is not None:
                values["max_age"] = str(math.floor(self.max_age))
        if self.dpop:
            values["algs"] = " ".join(self.dpop)
        scheme = "DPoP" if self.dpop else "Bearer"
        return (f"{scheme} " + ", ".join(f'{name}="{_plain(value)}"' for name, value in values.items())).rstrip()


def _plain(text: str) -> str:
    text = text.replace('"', "'").replace("\\", "/")
    return "".join(character if " " <= character <= "~" else "?" for character in text)
