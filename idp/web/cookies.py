"""The cookies: ``idp`` names a session, ``idp-browser`` a browser that began a request (decision 14), ``idp-device``
one in which a person signed in before (decision 16).

On https all carry the ``__Host-`` prefix, which a neighbouring host cannot set.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.responses import Response

_MAX_VALUE = 128
_MAX_SEALED = 512


@dataclass(frozen=True, slots=True)
class Cookie:
    name: str
    secure: bool
    most: int = _MAX_VALUE

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """The value, or None where absent, oversized, or sent twice with different values (a tossed cookie)."""
        wanted = self.name.encode("ascii")
        found: set[bytes] = set()
        for header, line in headers:
            if header == b"cookie":
                for pair in line.split(b";"):
                    name, separator, value = pair.strip().partition(b"=")
                    if separator and name == wanted:
                        found.add(value)
        if len(found) != 1:
            return None
        value = found.pop()
        return value.decode("ascii") if 0 < len(value) <= self.most and value.isascii() else None

    def write(self, response: Response, value: str, max_age: int) -> None:
        response.set_cookie(self.name, value, max_age, path="/", secure=self.secure, httponly=True, samesite="lax")

    def clear(self, response: Response) -> None:
        response.delete_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite="lax")


def session_cookie(issuer: str) -> Cookie:
    return _named("idp", issuer)


def browser_cookie(issuer: str) -> Cookie:
    return _named("idp-browser", issuer)


def device_cookie(issuer: str) -> Cookie:
    return _named("idp-device", issuer, _MAX_SEALED)


def _named(name: str, issuer: str, most: int = _MAX_VALUE) -> Cookie:
    secure = issuer.startswith("https:")
    return Cookie(f"__Host-{name}" if secure else name, secure, most)
