"""The few files the pages link to, read once and answered from memory.

A file's name in the URL carries the hash of its content, so a browser may keep it for ever and a changed
file is simply another address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.types import Receive, Scope, Send

_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".png": b"image/png",
    ".jpg": b"image/jpeg",
    ".webp": b"image/webp",
    ".ico": b"image/x-icon",
}
_Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    etag: bytes
    found: _Headers
    unchanged: _Headers


class Static:
    """A raw ASGI handler for ``<prefix>/<stem>.<hash><suffix>``.

    ``directories`` are searched in order and the last one wins, so a theme replaces a file by its name.
    Raises ``ValueError`` for a file whose type is not served.
    """

    def __init__(self, directories: Sequence[Path], prefix: str) -> None:
        self.prefix = prefix
        self._urls: dict[str, str] = {}
        self._files: dict[str, _File] = {}
        for name, source in {file.name: file for file in _regular_files(directories)}.items():
            url, file = _load(source, prefix)
            self._urls[name] = url
            self._files[url] = file

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path answered with 200, for a table of exact matches."""
        return tuple(self._files)

    def __contains__(self, name: str) -> bool:
        return name in self._urls

    def url(self, name: str) -> str:
        """The address of a file by its plain name, for example ``idp.css``. Raises ``KeyError``."""
        return self._urls[name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD (RFC 9110 9.3); 304 where ``If-None-Match`` names this very content."""
        file = self._files.get(scope["path"])
        if file is None:
            await _answer(send, 404, [(b"cache-control", b"no-store")])
        elif scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, [(b"allow", b"GET, HEAD")])
        elif _names(scope["headers"], file.etag):
            await _answer(send, 304, file.unchanged)
        else:
            await _answer(send, 200, file.found, file.body if scope["method"] == "GET" else b"")


def _regular_files(directories: Sequence[Path]) -> Iterable[Path]:
    for directory in directories:
        if directory.is_dir():
            visible = (file for file in sorted(directory.iterdir()) if file.name[0] != ".")
            yield from (file for file in visible if file.is_file())


def _load(path: Path, prefix: str) -> tuple[str, _File]:
    kind = _TYPES.get(path.suffix)
    if kind is None:
        raise ValueError(f"{path}: only {', '.join(_TYPES)} files are served; move it out of static/")
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:16]
    etag = f'"{digest}"'.encode()
    unchanged = [(b"etag", etag), (b"cache-control", b"public, max-age=31536000, immutable")]
    found = [
        *unchanged,
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        # An SVG opened by itself is a document; it gets no powers either.
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    ]
    return f"{prefix}/{path.stem}.{digest}{path.suffix}", _File(body, etag, found, unchanged)


def _names(headers: Iterable[tuple[bytes, bytes]], etag: bytes) -> bool:
    sent = next((value for name, value in headers if name == b"if-none-match"), b"")
    return sent.strip() == b"*" or etag in (part.strip().removeprefix(b"W/") for part in sent.split(b","))


async def _answer(send: Send, status: int, headers: _Headers, body: bytes = b"") -> None:
    if not any(name == b"content-length" for name, _ in headers) and status != 304:
        headers = [*headers, (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
