"""Overload is refused at the door (decision 27): which request may begin, which waits, which is told 503 unread.

A leaf, asked by ``serving`` before a request is parsed. A request past the bound waits a short while for a place: a
connection that waits sends nothing new, so a crowd cannot spend the processor on being refused. Public documents and
health are never turned away; sign-ins, slow by design, are counted apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

PATIENCE = 0.3  # seconds of waiting; with the work itself a refusal leaves within 500 ms
PLACES = 64
WAITING = 1024


@dataclass(slots=True)
class Admission:
    """One process's bound. ``exempt`` and ``sign_ins`` are paths; ``hashing`` is how many sign-ins may be under way."""

    places: int = PLACES
    most_waiting: int = WAITING
    exempt: frozenset[bytes] = frozenset()
    sign_ins: frozenset[bytes] = frozenset()
    hashing: int = PLACES
    arriving: int = 0  # requests begun whose body is not whole: a slow sender must not hold a place meanwhile
    signing_in: int = 0
    waiting: deque[Callable[[], None]] = field(default_factory=deque)
    on_refusal: Callable[[], None] = lambda: None  # for whoever counts

    def crowded(self, begun: int) -> bool:
        """Whether a place is free, of ``begun`` requests that have no answer yet."""
        return begun - self.arriving - self.signing_in >= self.places

    def turns_away(self, data: bytes, begun: int) -> bool:
        """Whether the request that begins with ``data`` may not begin now."""
        method, path = _asked(data)
        if path in self.exempt:
            return False
        if path in self.sign_ins and method == b"POST":
            return self.signing_in >= self.hashing
        return bool(self.waiting) or self.crowded(begun)

    def is_sign_in(self, method: str, path: str) -> bool:
        return method == "POST" and path.encode() in self.sign_ins

    def next(self, begun: int) -> None:
        """Places may have come free: who waited longest begins."""
        while self.waiting and not self.crowded(begun):
            self.waiting.popleft()()
            begun += 1


def is_whole(data: bytes) -> bool:
    """Whether ``data`` is certainly one whole request, so that the connection can go on after an unread refusal."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return False
    head = head.lower()
    if b"\r\ntransfer-encoding" in head or b"\r\nupgrade" in head or b"\r\nexpect" in head:
        return False
    lengths = head.split(b"\r\ncontent-length:")[1:]
    if not lengths:
        return not body
    length = lengths[0].partition(b"\r\n")[0].strip()
    return len(lengths) == 1 and length.isdigit() and int(length) == len(body)


def refusal(data: bytes, *, close: bool) -> bytes:
    """503 in prebuilt bytes: a page for a browser, JSON for a program (RFC 6749 5.2 has no word of its own for it)."""
    return _ANSWERS[b"text/html" in data[:4096], close]


def _asked(data: bytes) -> tuple[bytes, bytes]:
    """Method and path of a request line, as they stand there."""
    words = data.split(b" ", 2)
    return (words[0], words[1].partition(b"?")[0]) if len(words) == 3 else (b"", b"")


_JSON = b'{"error":"temporarily_unavailable","error_description":"The server is busy; ask again shortly."}'
_PAGE = (
    b"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    b"<meta name=color-scheme content='light dark'><title>Busy</title><body id=busy><h1>Very busy just now</h1>"
    b"<p>Nothing was lost. Wait a moment, then load this page again.</p>"
)


def _answer(body: bytes, kind: bytes, close: bool) -> bytes:
    return (
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: " + kind + b"\r\n"
        b"content-length: " + str(len(body)).encode() + b"\r\nretry-after: 1\r\ncache-control: no-store\r\n"
        b"x-content-type-options: nosniff\r\ncontent-security-policy: default-src 'none'; frame-ancestors 'none'\r\n"
        + (b"connection: close\r\n" if close else b"")
        + b"\r\n"
        + body
    )


_ANSWERS = {
    (page, close): _answer(*(_PAGE, b"text/html; charset=utf-8") if page else (_JSON, b"application/json"), close)
    for page in (False, True)
    for close in (False, True)
}
