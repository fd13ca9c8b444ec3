"""Which language is chosen, that hostile lists cost nothing, and that German is whole."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes
from jinja2.ext import babel_extract

from idp.web.locale import catalogues, choose
from idp.web.pages import templates_root

ROOT = templates_root()
TEMPLATES = sorted(ROOT.rglob("*.html"))
READ_ALOUD = ("alt", "title", "placeholder", "aria-label", "aria-description", "content", "label")
Message = str | tuple[str, ...]


@pytest.mark.parametrize(
    ("ui_locales", "accept_language", "expected"),
    [
        (None, None, "en"),
        ("", "", "en"),
        ("de", "en", "de"),
        ("fr-CA de-AT en", None, "de"),
        ("de_DE", None, "de"),
        ("DE", None, "de"),
        ("fr", "de", "de"),
        (None, "fr;q=1, de;q=0.4, en;q=0.6", "en"),
        (None, "de-CH-1996,en;q=0.9", "de"),
        (None, "en;q=0.1, de;q=0", "en"),
        (None, "de;q=0", "en"),
        (None, "*", "en"),
        (None, "fr, *;q=0.5, de;q=0.1", "en"),
        (None, "de;q=nan", "en"),
        (None, "de;q=2", "en"),
        (None, "de;level=1", "en"),
        ("deutsch", None, "en"),
        ("d\u0435", None, "en"),
        ("\x00de", None, "en"),
    ],
)
def test_choose(ui_locales: str | None, accept_language: str | None, expected: str) -> None:
    assert choose(ui_locales, accept_language) == expected


def test_choose_answers_with_what_there_is() -> None:
    assert choose("pt-br", None, available=("en", "pt-BR")) == "pt-BR"
    assert choose("fr", "it", available=("en", "de"), default="de") == "de"


@pytest.mark.parametrize(
    "piece", ["de-", "x", "de;q=", "*;q=0.5,", "a-b-", ";", ",", " ", "de,", "é", "\x00", "-"]
)
def test_ten_thousand_hostile_characters_cost_less_than_a_millisecond(piece: str) -> None:
    hostile = piece * (10_000 // len(piece))
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        assert choose(hostile, hostile) in ("en", "de")
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.001


def test_a_list_cut_in_the_middle_of_a_tag_names_no_other_language() -> None:
    assert choose("x" * 509 + " deutsch", None) == "en"


def messages() -> Iterator[Message]:
    for file in TEMPLATES:
        with file.open("rb") as source:
            for _, _, message, _ in babel_extract(
                source, ("_", "gettext", "ngettext"), [], {"trimmed": "true"}
            ):
                yield message if isinstance(message, str) else tuple(part for part in message if part)


def german() -> dict[Message, tuple[str, ...]]:
    found: dict[Message, tuple[str, ...]] = {}
    for file in (ROOT / "locale" / "de").glob("*.po"):
        with file.open("rb") as source:
            for message in read_po(source, abort_invalid=True):
                if message.id:
                    words = (message.string,) if isinstance(message.string, str) else tuple(message.string)
                    found[message.id] = () if message.fuzzy else words
    return found


def test_german_is_complete_and_holds_nothing_else() -> None:
    wanted, have = set(messages()), german()
    assert len(wanted) > 90
    assert wanted - have.keys() == set(), "not translated"
    assert have.keys() - wanted == set(), "left over"
    assert [message for message, words in have.items() if not words or not all(words)] == [], "empty or fuzzy"


def test_a_translation_keeps_placeholders_and_markup() -> None:
    kept = re.compile(r"%\(\w+\)s|<[^>]*>")
    for message, words in german().items():
        source = message if isinstance(message, str) else message[0]
        for text in words:
            assert sorted(kept.findall(text)) == sorted(kept.findall(source)), message


class Literals(HTMLParser):
    """The words a template says without asking for a translation."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.words += [data] if re.search(r"[^\W\d_]", data) else []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            for name, value in attrs:
                if name in READ_ALOUD and value:
                    self.handle_data(value)


def literals(source: str) -> list[str]:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    html = ""
    for output in environment.parse(source).find_all(nodes.Output):
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                html += node.data
            else:
                choices = (node.expr1, node.expr2) if isinstance(node, nodes.CondExpr) else (node,)
                html += "".join(str(part.value) for part in choices if isinstance(part, nodes.Const))
    return Literals(html).words


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_word_escapes_translation(file: Path) -> None:
    assert literals(file.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "<p>Hello</p>",
        "{{ 'Hello' }}",
        "{{ 'a' if x else 'b' }}",
        '<img alt="Hello">',
        "<p>{{ _('a') }} b</p>",
    ],
)
def test_the_search_for_literal_words_finds_them(source: str) -> None:
    assert literals(source) != []


def test_a_later_root_wins_message_by_message_and_may_bring_a_language(tmp_path: Path) -> None:
    for tag, text in (("de", "Einloggen"), ("en", "Log in"), ("fr", "Connexion")):
        directory = tmp_path / "locale" / tag
        directory.mkdir(parents=True)
        header = '"Content-Type: text/plain; charset=utf-8\\n"'
        (directory / "own.po").write_text(
            f'msgid ""\nmsgstr ""\n{header}\n\nmsgid "Sign in"\nmsgstr "{text}"\n'
        )
    found = catalogues([ROOT, tmp_path])
    assert {tag: words.gettext("Sign in") for tag, words in found.items()} == {
        "en": "Log in",
        "de": "Einloggen",
        "fr": "Connexion",
    }
    assert found["de"].gettext("Password") == "Passwort"
    assert (
        found["de"]
        .ngettext("Show the %(count)s entry", "Show the %(count)s entries", 2)
        .startswith("%(count)s Ang")
    )


def test_a_broken_catalogue_is_named(tmp_path: Path) -> None:
    directory = tmp_path / "locale" / "de"
    directory.mkdir(parents=True)
    (directory / "own.po").write_text("these are no messages")
    with pytest.raises(ValueError, match=r"own\.po: not a gettext catalogue"):
        catalogues([tmp_path])
