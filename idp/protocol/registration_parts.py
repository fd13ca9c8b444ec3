"""The single checks that registration is made of, each answering flaws with their place in the metadata."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

import msgspec

from idp.config.problems import Problem, quoted

ALGORITHMS = ("RS256", "ES256")
MAX_ENTRIES = 100
MAX_TOKEN_LIFETIME = 86_400  # seconds

_SCOPE_WORD = re.compile(r"[!#-\[\]-~]+", re.ASCII)  # RFC 6749 3.3
# Line breaks, escapes, and the marks that turn the reading direction: a consent page shows these names.
_UNSAFE_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class Flaw(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with ``member``; ``index`` is the place in a list."""

    member: str
    problem: Problem
    index: int | None = None

    @property
    def error(self) -> str:
        """The word for a client that registers over HTTP (RFC 7591 3.2.2)."""
        return "invalid_redirect_uri" if self.member == "redirect_uris" else "invalid_client_metadata"


def flaw(member: str, rule: str, received: object, expected: str, mend: str, index: int | None = None) -> Flaw:
    shown = received if isinstance(received, str) and received.startswith("no ") else quoted(received)
    problem = Problem(rule=rule, received=shown, expected=expected, mend=mend)
    return Flaw(member=member, index=index, problem=problem)


def text_flaws(member: str, text: str, index: int | None = None, limit: int = 200) -> Iterator[Flaw]:
    """A text that pages show to people: bounded, one line, in plain reading direction."""
    if len(text) > limit or _UNSAFE_TEXT.search(text):
        yield flaw(
            member,
            f"{member} is shown to people",
            text,
            f"at most {limit} characters, no control characters",
            "shorten it or take the invisible characters out",
            index,
        )


def repeated(member: str, values: tuple[str, ...]) -> Iterator[Flaw]:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield flaw(member, f"each of {member} once", value, "no repetition", "take it out", index)
    if len(values) > MAX_ENTRIES:
        yield flaw(member, f"{member} is a short list", len(values), f"at most {MAX_ENTRIES}", "split the client")


def unknown_words(member: str, values: tuple[str, ...], known: Collection[str]) -> Iterator[Flaw]:
    if not values:
        yield flaw(member, f"{member} must not be empty", [], f"some of {', '.join(known)}", "take the line out")
    for index, value in enumerate(values):
        if value not in known:
            yield flaw(member, f"{member} this server has", value, f"some of {', '.join(known)}", "correct it", index)
    yield from repeated(member, values)


def scope_word_flaws(member: str, words: Iterable[str]) -> Iterator[Flaw]:
    for word in words:
        if not _SCOPE_WORD.fullmatch(word):
            yield flaw(
                member,
                "scope words are printable ASCII without quotes, one space between (RFC 6749 3.3)",
                word,
                'such as "openid profile"',
                "correct the word",
            )


def algorithm_flaws(member: str, value: str, algorithms: Collection[str]) -> Iterator[Flaw]:
    if value not in algorithms:
        yield flaw(
            member,
            "an algorithm this server has keys for",
            value,
            f"one of {', '.join(algorithms)}",
            "correct it, or add it to keys.algorithms in the settings",
        )


def out_of_bounds(member: str, value: float | None, least: int, most: int) -> Iterator[Flaw]:
    if value is not None and not least <= value <= most:
        yield flaw(member, f"{member} is in seconds", value, f"{least} to {most}", "correct it")
