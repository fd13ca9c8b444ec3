"""Which language a page speaks, and the catalogues that make it speak it.

Nothing here depends on the length of what a stranger sends: both lists are cut before they are read.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path

PACKAGED = ("en", "de")
_MOST_CHARACTERS = 512
_MOST_RANGES = 24
_TAG = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8}){0,7}", re.ASCII)
_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_DIRECTORY = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", re.ASCII)


def choose(
    ui_locales: str | None,
    accept_language: str | None,
    *,
    available: Sequence[str] = PACKAGED,
    default: str = "en",
) -> str:
    """The member of ``available`` the person most wants, else ``default``; never an error.

    ``ui_locales`` is a space-separated list in order of preference (OIDC Core 3.1.2.1) and wins over
    ``accept_language`` (RFC 9110 12.5.4). Matching is RFC 4647 lookup: ``de-AT`` finds ``de``.
    """
    known = {tag.lower(): tag for tag in available}
    for tag in _wanted(ui_locales or ""):
        if found := _lookup(tag, known):
            return found
    for tag in _accepted(accept_language or ""):
        if tag == "*":
            return default
        if found := _lookup(tag, known):
            return found
    return default


def catalogues(roots: Sequence[Path]) -> Mapping[str, gettext.NullTranslations]:
    """Read ``locale/<tag>/*.po`` below each root; a message of a later root wins over an earlier one.

    English is what the templates are written in, so it is always there. Raises ``ValueError`` naming the
    file that cannot be read as a gettext catalogue.
    """
    found: dict[str, gettext.NullTranslations] = {"en": gettext.NullTranslations()}
    for file in _files(roots):
        translations = _read(file)
        tag = file.parent.name
        if tag in found:
            translations.add_fallback(found[tag])
        found[tag] = translations
    return found


def _files(roots: Sequence[Path]) -> Iterator[Path]:
    for root in roots:
        for file in sorted((root / "locale").glob("*/*.po")):
            if not _DIRECTORY.fullmatch(file.parent.name):
                raise ValueError(f"{file}: the directory must be a language tag such as de or pt-BR")
            yield file


def _read(file: Path) -> gettext.GNUTranslations:
    try:
        return gettext.GNUTranslations(BytesIO(_compiled(file.read_bytes())))
    except ValueError as error:
        raise ValueError(f"{file}: not a gettext catalogue: {error}") from error


@lru_cache(maxsize=32)
def _compiled(source: bytes) -> bytes:
    """Kept for the next provider of this process: compiling one takes 10 ms."""
    # Babel is needed only while starting, and only by the server.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import PoFileError, read_po

    compiled = BytesIO()
    try:
        write_mo(compiled, read_po(BytesIO(source), locale=None, abort_invalid=True))
    except PoFileError as error:
        raise ValueError(str(error)) from error
    return compiled.getvalue()


def _head(text: str, separator: str) -> list[str]:
    if len(text) > _MOST_CHARACTERS:
        # The last piece may be torn in two; half a tag could name another language.
        text = text[:_MOST_CHARACTERS].rpartition(separator)[0]
    return text.split(separator)[:_MOST_RANGES]


def _wanted(ui_locales: str) -> Iterator[str]:
    for piece in _head(ui_locales, " "):
        tag = piece.replace("_", "-").lower()
        if _TAG.fullmatch(tag):
            yield tag


def _accepted(header: str) -> list[str]:
    weighed: list[tuple[float, str]] = []
    for piece in _head(header, ","):
        language, *parameters = (part.strip().lower() for part in piece.split(";"))
        if language != "*" and not _TAG.fullmatch(language):
            continue
        weight = 1.0
        if parameters:
            quality = _QUALITY.fullmatch(parameters[0])
            weight = float(quality[1]) if quality and len(parameters) == 1 else 0.0
        if weight > 0:
            weighed.append((weight, language))
    # The sort is stable: among equals the order of the header stands.
    return [language for _, language in sorted(weighed, key=lambda pair: -pair[0])]


def _lookup(tag: str, known: Mapping[str, str]) -> str | None:
    while tag:
        if tag in known:
            return known[tag]
        tag = tag.rpartition("-")[0]
    return None
