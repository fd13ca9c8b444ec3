"""Static files from memory, what a theme may change, and colours everyone can read."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from idp.web.pages import Pages, templates_root
from idp.web.static import Static

CSS = (templates_root() / "static" / "idp.css").read_text()


def ask(app: ASGIApp, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw}
    asyncio.run(app(scope, receive, send))
    start, body = sent
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], found, body["body"]


def test_a_file_is_kept_for_ever_under_the_hash_of_its_content() -> None:
    static = Static([templates_root() / "static"], "/tenant/static")
    url = static.url("idp.css")
    assert re.fullmatch(r"/tenant/static/idp\.[0-9a-f]{16}\.css", url)
    assert url in static.paths
    status, headers, body = ask(static, url)
    assert (status, body.decode()) == (200, CSS)
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["content-type"] == "text/css; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-length"] == str(len(body))
    assert ask(static, url, "HEAD")[2] == b""
    for sent in (headers["etag"], f'"other", W/{headers["etag"]}', "*"):
        status, again, body = ask(static, url, if_none_match=sent)
        assert (status, again["etag"], body) == (304, headers["etag"], b"")
    assert ask(static, url, if_none_match='"other"')[0] == 200


def test_it_can_be_mounted_at_its_path() -> None:
    static = Static([templates_root() / "static"], "/tenant/static")
    app = Starlette(routes=[Mount(static.prefix, static)])
    assert ask(app, static.url("idp.css"))[0] == 200
    assert ask(app, "/tenant/static/none.css")[0] == 404


def test_what_is_not_a_file_is_not_answered() -> None:
    static = Static([templates_root() / "static"], "/static")
    assert ask(static, "/static/../base.html")[0] == 404
    assert ask(static, "/static/idp.css")[0] == 404
    status, headers, _ = ask(static, static.url("idp.css"), "POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


def test_a_type_that_is_not_served_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "run.js").write_text("1")
    with pytest.raises(ValueError, match=r"run\.js: only \.css"):
        Static([tmp_path], "/static")


def test_the_issuers_path_and_host_are_on_every_page() -> None:
    pages = Pages(None, issuer="https://id.example.com/tenant")
    html = bytes(pages.page("busy", locale="en").body).decode()
    assert pages.static.prefix == "/tenant/static"
    assert f'href="{pages.static.url("idp.css")}"' in html
    assert "<span>id.example.com</span>" in html


def test_a_theme_fills_a_block_adds_colours_and_reaches_the_packaged_page(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "theme.css").write_text(":root { --idp-accent: navy; }")
    (tmp_path / "login.html").write_text(
        '{% extends "idp/login.html" %}{% block footer %}<p>Acme</p>{% endblock %}'
    )
    (tmp_path / "base.html").write_text('{% extends "idp/base.html" %}{% block brand %}ACME{% endblock %}')
    pages = Pages(tmp_path)
    html = bytes(pages.page("login", locale="en", action="/login", t="T").body).decode()
    assert html.index("/static/idp.") < html.index("/static/theme.")
    assert "<p>Acme</p>" in html
    assert "ACME" in html
    assert 'id="login-submit"' in html
    assert "ACME" in bytes(pages.page("busy", locale="de").body).decode()


def test_a_broken_theme_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "busy.html").write_text("{% block card %}")
    with pytest.raises(TemplateError):
        Pages(tmp_path)


def test_a_theme_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere is not a directory"):
        Pages(tmp_path / "nowhere")


def test_a_default_language_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="'tlh' has no catalogue; known are en, de"):
        Pages(None, "tlh")


def palettes() -> dict[str, dict[str, str]]:
    light, dark = (
        dict(re.findall(r"--idp-([a-z-]+): (#[0-9a-f]{6});", part)) for part in CSS.split("@media", 2)[:2]
    )
    return {"light": light, "dark": {**light, **dark}}


def luminance(colour: str) -> float:
    channels = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        *((front, back, 4.5) for front in ("text", "muted") for back in ("surface", "ground", "accent-soft")),
        *((front, back, 4.5) for front in ("accent", "danger") for back in ("surface", "ground")),
        ("accent", "accent-soft", 4.5),
        ("danger", "danger-soft", 4.5),
        ("text", "mark", 4.5),
        ("on-accent", "accent", 4.5),
        ("on-accent", "accent-strong", 4.5),
        # Edges of fields and buttons: WCAG 1.4.11.
        ("control", "surface", 3.0),
        ("control", "ground", 3.0),
    ],
)
def test_contrast(scheme: str, front: str, back: str, least: float) -> None:
    colours = palettes()[scheme]
    low, high = sorted((luminance(colours[front]), luminance(colours[back])))
    assert (high + 0.05) / (low + 0.05) >= least
