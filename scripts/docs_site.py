#!/usr/bin/env python
"""Build the documentation as a site: ``make docs``, or scripts/docs_site.py FOLDER.

Pages are written for a Git host. Here they are laid side by side as the site wants them (README.md is its front page),
links are turned to the new places, Sphinx makes HTML with every warning an error, and llms.txt is written beside it.
IDP_DOCS_URL, where the site will stand, makes the links of llms.txt whole.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from sphinx.cmd.build import main as sphinx

sys.path.insert(0, str(Path(__file__).parent))  # a test runs this file by its path
from docs_pages import README, ROOT, Page, Unlisted, pages

_FENCES = re.compile(r"(^```.*?^```$\n?)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"`[^`\n]*`|\[(?P<text>[^\]]*)\]\((?P<place>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def lay_out(listed: Iterable[Page], folder: Path) -> None:
    """Write every page to its place below ``folder``, and the files that pages link to."""
    pages_by_path = {page.path: page for page in listed}
    for page in listed:
        place = folder / f"{page.name}.md"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_turned(page, pages_by_path, folder), encoding="utf-8")


def _turned(page: Page, others: dict[Path, Page], folder: Path) -> str:
    """The page's text, its links seen from its new place.

    A page that is linked by its file's name is called by its title here. What is no page is a file to load; a folder,
    or Markdown that docs/index.md does not list, a mere word.
    """
    here = (folder / page.name).parent

    def turn(link: re.Match[str]) -> str:
        if link["place"] is None:  # code, in which a link is none
            return link[0]
        goal = (page.path.parent / link["place"]).resolve()
        text = link["text"]
        if goal in others:
            new = folder / f"{others[goal].name}.md"
            text = others[goal].short if text.endswith(".md") else text
        elif goal.is_file() and goal.suffix != ".md":
            new = folder / "files" / goal.relative_to(ROOT)
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(goal, new)
        else:
            return text
        return f"[{text}]({os.path.relpath(new, here)}{link['anchor'] or ''})"

    parts = _FENCES.split(page.text)
    return "".join(part if part.startswith("```") else _LINK.sub(turn, part) for part in parts)


def trees(listed: Iterable[Page]) -> str:
    """The navigation, for the end of the front page: a heading and its pages for each section of docs/index.md."""
    blocks = []
    for section, found in groupby((page for page in listed if page.path != README), lambda page: page.section):
        lines = "\n".join(f"{page.short} <{page.name}>" for page in found)
        blocks.append(f"```{{toctree}}\n:hidden:\n:caption: {section}\n\n{lines}\n```\n")
    return "\n" + "\n".join(blocks)


def llms(listed: Iterable[Page], base: str) -> str:
    """llms.txt (llmstxt.org): what this is, then every page as Markdown with its first sentence."""
    [front, *rest] = listed
    parts = [f"# {front.title}\n\n> {front.summary}\n"]
    for section, found in groupby(rest, lambda page: page.section):
        lines = [f"- [{page.title}]({base}{page.name}.md): {page.summary}\n" for page in found]
        parts.append(f"## {section}\n\n{''.join(lines)}")
    return "\n".join(parts)


def build(target: Path) -> int:
    """Make the site in ``target``, which is emptied first; Sphinx's exit status."""
    source, out = target / "source", target / "html"
    shutil.rmtree(target, ignore_errors=True)
    listed = pages()
    lay_out(listed, source)
    # The pages as Markdown, beside those as HTML, before the navigation goes into the front page.
    shutil.copytree(source, out)
    base = os.environ.get("IDP_DOCS_URL", "").removesuffix("/")
    (out / "llms.txt").write_text(llms(listed, f"{base}/" if base else ""), encoding="utf-8")
    whole = "\n\n".join((source / f"{page.name}.md").read_text(encoding="utf-8").strip() for page in listed)
    (out / "llms-full.txt").write_text(whole + "\n", encoding="utf-8")
    with (source / "index.md").open("a", encoding="utf-8") as front:
        front.write(trees(listed))
    options = ["-W", "--keep-going", "-n", "-q", "-E", "-b", "html", "-c", ROOT / "docs", "-d", target / "doctrees"]
    return sphinx([str(word) for word in (*options, source, out)])


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "docs").resolve()
    try:
        status = build(target)
    except Unlisted as unlisted:
        sys.exit(str(unlisted))
    if status == 0:
        print(f"the site is in {target / 'html'}, begin with index.html")
    sys.exit(status)


if __name__ == "__main__":
    main()
