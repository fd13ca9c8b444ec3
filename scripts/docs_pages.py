"""Which pages the documentation has, in which order: docs/index.md says it, this reads it.

A page of docs/ that stands in no list there is an error, and so is a line that leads nowhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
INDEX = DOCS / "index.md"
README = ROOT / "README.md"
_LINE = re.compile(r"^- \[[^\]]*\]\((?P<target>[^)\s]+)\).*$", re.MULTILINE)
_SECTION = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_SENTENCE = re.compile(r".+?[.!?](?=\s+[\"'`*A-Z]|$)")


class Unlisted(Exception):
    """docs/index.md and the files disagree; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Page:
    """A Markdown file of the repository and its place on the site."""

    path: Path
    section: str

    @property
    def name(self) -> str:
        """Its place on the site without a suffix: ``deploy``, ``examples/index``, ``contributing``."""
        if self.path == README:
            return "index"
        if self.path == INDEX:
            return "contents"
        base = DOCS if self.path.parent == DOCS else ROOT
        name = self.path.relative_to(base).with_suffix("").as_posix().lower()
        return re.sub(r"\breadme$", "index", name)

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def title(self) -> str:
        """The first heading."""
        return _plain(self.text.split("\n", 1)[0].removeprefix("# "))

    @property
    def short(self) -> str:
        """The title up to its colon."""
        return self.title.split(":")[0]

    @property
    def summary(self) -> str:
        """The first sentence of the first paragraph."""
        paragraphs = _FENCE.sub("", self.text).split("\n\n")[1:]
        first = next(text for text in paragraphs if re.match(r"[\w`\"*\[]", text))
        found = _SENTENCE.match(re.sub(":$", ".", " ".join(_plain(first).split())))
        if found is None:
            raise Unlisted(f"{self.path.relative_to(ROOT)}: its first paragraph does not begin with a sentence")
        return found[0]


def _plain(text: str) -> str:
    return _LINK.sub(lambda link: link["text"], text).replace("**", "").strip()


def pages() -> list[Page]:
    """README, docs/index.md, then every page of its lists in order. Raises Unlisted where one is missing."""
    text, found = INDEX.read_text(encoding="utf-8"), list[Page]()
    heads = list(_SECTION.finditer(text))
    for head, after in zip(heads, [*heads[1:], None], strict=True):
        for line in _LINE.finditer(text, head.end(), after.start() if after else len(text)):
            path = (DOCS / line["target"]).resolve()
            if not path.is_file():
                raise Unlisted(f"docs/index.md lists {line['target']}, which is not there")
            found.append(Page(path, head["title"]))
    _check([page.path for page in found])
    start = found[0].section
    return [Page(README, start), Page(INDEX, start), *(page for page in found if page.path != README)]


def _check(listed: list[Path]) -> None:
    for path in [*sorted(DOCS.glob("*.md")), *sorted(ROOT.glob("examples/*/README.md"))]:
        if path not in (*listed, INDEX):
            target = os.path.relpath(path, DOCS)
            raise Unlisted(
                f"{target} stands in no list of docs/index.md: add the line `- []({target})` under one of its headings,"
                " and run scripts/docs.py, which writes title and first sentence beside it"
            )
    if twice := {path.name for path in listed if listed.count(path) > 1}:
        raise Unlisted(f"docs/index.md lists more than once: {', '.join(sorted(twice))}")


def contents() -> Iterator[str]:
    """The lists of docs/index.md, each line with the page's title and first sentence as they are now."""
    text = INDEX.read_text(encoding="utf-8")
    inner = text[text.index("-->") + 3 : text.rindex("<!--")].strip()
    of = {page.path: page for page in pages()}

    def fresh(line: re.Match[str]) -> str:
        page = of[(DOCS / line["target"]).resolve()]
        return f"- [{page.title}]({line['target']}): {page.summary}"

    yield _LINE.sub(fresh, inner)
