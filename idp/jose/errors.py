"""The one exception of this package."""


class JoseError(Exception):
    """A token, key or key set was refused.

    ``reason`` is one machine word: ``malformed``, ``too_large``, ``algorithm``, ``critical``, ``typ``,
    ``key``, ``unknown_key``, ``signature``, ``proof``, ``keys_unavailable`` or ``busy``. ``str()`` is a sentence
    naming what was received and what was expected; it holds header values at most, shortened and printable,
    never a signature or a claim (but for ``proof``: the claims of a DPoP proof are no secret).
    """

    def __init__(self, reason: str, message: str, *, received: str | None = None, expected: str | None = None):
        super().__init__(message)
        self.reason = reason
        self.received = received
        self.expected = expected


def shown(value: object, limit: int = 80) -> str:
    """A stranger's value made safe to print: ASCII, no control characters, at most ``limit`` characters."""
    raw = value if isinstance(value, str) else repr(value)
    text = ascii(raw[: limit + 1])[1:-1]
    return text if len(text) <= limit else text[: limit - 3] + "..."
