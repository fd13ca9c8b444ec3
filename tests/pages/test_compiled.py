"""Compiled pages are kept for the next provider of a process, and a theme that was edited meanwhile is read anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2.bccache import Bucket
from jinja2.environment import Environment

from idp.web import compiled
from idp.web.pages import Pages


def shown(pages: Pages) -> str:
    return bytes(pages.page("busy", locale="en").body).decode()


def test_an_edited_theme_is_compiled_anew(tmp_path: Path) -> None:
    theme = tmp_path / "busy.html"
    theme.write_text("one {{ page }}")
    assert shown(Pages(tmp_path)) == "one busy"
    theme.write_text("two {{ page }}")
    assert shown(Pages(tmp_path)) == "two busy"
    theme.unlink()
    assert "two" not in shown(Pages(tmp_path))


def test_the_second_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first = shown(Pages(None))
    monkeypatch.setattr("jinja2.environment.Environment.compile", None)
    assert shown(Pages(None)) == first


def test_old_ones_go() -> None:
    kept = compiled.InMemory()
    for number in range(1000):
        bucket = Bucket(Environment(autoescape=True), f"page {number}", "checksum")
        bucket.code = compile("1", "a page", "eval")
        kept.dump_bytecode(bucket)
    assert len(kept._kept) <= 200
    kept.load_bytecode(again := Bucket(bucket.environment, bucket.key, bucket.checksum))
    assert again.code == bucket.code
