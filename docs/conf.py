"""How Sphinx draws the site. What the pages are and where they come from: scripts/docs_site.py (`make docs`)."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

_ROOT = Path(__file__).parent.parent

project = html_title = "idp"
release = version = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
language = "en"

extensions = ["myst_parser"]
myst_heading_anchors = 6  # the same anchors as on a Git host
nitpicky = True
highlight_language = "text"
smartquotes = False  # a quote may be part of a value

html_theme = "furo"
html_logo = html_favicon = "../templates/static/mark.svg"
templates_path = ["site/templates"]
html_static_path = ["site/static"]
html_css_files = ["site.css"]
html_js_files = [("copy.js", {"defer": "defer"})]
html_copy_source = False
html_show_copyright = False
html_use_index = False
html_theme_options = {"navigation_with_keys": False, "top_of_page_buttons": []}


def setup(app: Sphinx) -> None:
    app.add_lexer("csv", TextLexer)  # Git hosts know the word, Pygments does not
