"""The documentation as a site: built without a warning, complete on its own, every link leading somewhere."""

from __future__ import annotations

import functools
import os
import re
import runpy
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest
from doc_blocks import ROOT
from playwright.sync_api import Browser

SITE: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "docs_site.py"))
POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
PHONE: Any = {"width": 390, "height": 844}
CLIPBOARD = ["clipboard-read", "clipboard-write"]


@pytest.fixture(scope="module")
def listed() -> list[Any]:
    pages: list[Any] = SITE["pages"]()
    return pages


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as ``make docs`` builds it: by the worker that comes first, for all of them."""
    base = tmp_path_factory.getbasetemp()
    target = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "docs-site"
    told, deadline = target.with_suffix(".txt"), time.monotonic() + 100
    try:
        target.with_suffix(".lock").mkdir()
    except FileExistsError:
        while not told.exists():
            assert time.monotonic() < deadline, "another worker builds the site and does not end"
            time.sleep(0.05)
    else:
        command = [sys.executable, ROOT / "scripts" / "docs_site.py", target]
        built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        part = told.with_suffix(".part")
        part.write_text("" if built.returncode == 0 else built.stdout + built.stderr or "failed", encoding="utf-8")
        part.rename(told)
    assert not (said := told.read_text(encoding="utf-8")), said
    return target / "html"


class Seen(HTMLParser):
    """What a page links to, loads and runs, and which ids it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if "src" in given or (tag == "link" and "href" in given):
            self.loaded.append(given.get("src") or given["href"])
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


@pytest.fixture(scope="module")
def seen(site: Path) -> dict[Path, Seen]:
    return {path: Seen(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def test_every_page_is_there_in_html_and_markdown(site: Path, listed: list[Any]) -> None:
    for page in listed:
        assert (site / f"{page.name}.html").is_file()
        assert (site / f"{page.name}.md").read_text(encoding="utf-8").startswith("# ")


def test_every_link_and_anchor_leads_somewhere(site: Path, seen: dict[Path, Seen]) -> None:
    for path, page in seen.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            place, anchor = urldefrag(link)
            goal = (path.parent / unquote(place)).resolve() if place else path
            assert goal.is_file(), f"{path.relative_to(site)} links to {link}"
            if anchor and goal in seen:
                assert unquote(anchor) in seen[goal].ids, f"{path.relative_to(site)} links to {link}"


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline(site: Path, seen: dict[Path, Seen]) -> None:
    for path, page in seen.items():
        assert not page.inline, f"{path.relative_to(site)}: a strict policy would not let it"
        for address in page.loaded:
            place = address.partition("?")[0].partition("#")[0] or path.name
            assert (path.parent / place).resolve().is_file(), f"{path.relative_to(site)} loads {address}"
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\(['\"]?(?!['\"]?(data:|#))[a-z]*:?//", text), sheet.name


def test_links_of_the_markdown_pages_lead_somewhere(site: Path) -> None:
    link = re.compile(r"`[^`\n]*`|\[[^\]]*\]\(([^)\s#:]+)(?:#[^)\s]*)?\)")
    for path in [*site.rglob("*.md"), site / "llms.txt"]:
        text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for place in filter(None, link.findall(text)):
            assert (path.parent / place).is_file(), f"{path.relative_to(site)} links to {place}"


def test_llms_txt_has_its_shape_and_every_page(site: Path, listed: list[Any]) -> None:
    lines = (site / "llms.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# idp"
    assert lines[2].startswith("> An OAuth 2.x and OpenID Connect identity provider")
    entries = [line for line in lines if line.startswith("- ")]
    assert all(re.fullmatch(r"- \[.+?\]\([a-z0-9/-]+\.md\): .+\.", line) for line in entries)
    assert re.findall(r"\]\((.+?)\.md\): ", "\n".join(entries)) == [page.name for page in listed[1:]]
    whole = (site / "llms-full.txt").read_text(encoding="utf-8")
    assert all(f"# {page.text.splitlines()[0].removeprefix('# ')}\n" in whole for page in listed)


def test_the_command_builds_it_where_git_does_not_look() -> None:
    assert "\n\t.venv/bin/python scripts/docs_site.py\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "build/\n" in (ROOT / ".gitignore").read_text(encoding="utf-8")


def test_a_page_that_no_list_names_is_told_how_to_be_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "new.md").write_text("# New\n\nA sentence.\n")
    (docs / "index.md").write_text("# All\n\nAll of it.\n\n## One\n\n- [](old.md)\n")
    pages, unlisted = SITE["pages"], SITE["Unlisted"]
    for name, value in {"DOCS": docs, "INDEX": docs / "index.md"}.items():
        monkeypatch.setitem(pages.__globals__, name, value)
    with pytest.raises(unlisted, match=r"lists old\.md, which is not there"):
        pages()
    (docs / "old.md").write_text("# Old\n\nA sentence.\n")
    with pytest.raises(unlisted, match=re.escape("add the line `- [](new.md)`")):
        pages()


def test_the_colours_are_those_of_the_pages() -> None:
    sheets = ("docs/site/static/site.css", "templates/static/idp.css")
    ours, pages = ((ROOT / sheet).read_text(encoding="utf-8") for sheet in sheets)
    names = re.compile(r"(--idp-[a-z-]+): ([^;]+);")
    light, dark = pages.split("@media (prefers-color-scheme: dark)", 1)
    there = {"light": dict(names.findall(light)), "dark": dict(names.findall(dark.split("}")[0]))}
    first, by_switch = ours.split('body[data-theme="dark"]', 1)
    by_switch, by_system = by_switch.split("@media (prefers-color-scheme: dark)", 1)
    assert dict(names.findall(first)).items() <= there["light"].items()
    for found in (dict(names.findall(by_switch)), dict(names.findall(by_system))):
        assert found.items() <= there["dark"].items()
        assert found.keys() == {name for name in dict(names.findall(first)) if name in there["dark"]}


class _Strict(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Strict, directory=str(site)))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://localhost:{http.server_port}"
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.mark.browser
def test_in_a_browser_under_a_strict_policy(browser: Browser, address: str) -> None:
    """On a phone nothing is wider than the window, also where tables are; the keyboard finds and shows its way."""
    context = browser.new_context(viewport=PHONE, color_scheme="dark", permissions=CLIPBOARD)
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda asked: None if asked.url.startswith(address) else complaints.append(asked.url))
    for name in ("index", "settings", "routes", "commands", "events", "first-lesson", "conformance/results"):
        page.goto(f"{address}/{name}.html")
        assert page.evaluate("document.querySelector('.content').scrollWidth") <= PHONE["width"], name
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(28, 30, 27)"

    page.goto(f"{address}/first-lesson.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className").startswith("skip-to-content")
    button = page.locator("button.copy").first
    button.focus()
    assert button.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    button.press("Enter")
    page.get_by_text("Copied", exact=True).wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "# first terminal\nidp dev"

    page.goto(f"{address}/search.html?q=back-channel+logout")
    page.locator("#search-results li a", has_text="Logout").first.wait_for()
    assert not complaints
    context.close()
