"""The pages as programs know them (docs/conformance.md): one address, one id, one sentence each.

The OpenID Foundation's suite drives a browser by these alone. A theme may draw what it likes around them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support import WEB, Page, Visitor, register
from test_templates import Seen, contexts

from idp.testing import Provider
from idp.web.pages import Pages

ROOT = Path(__file__).parent.parent.parent


class Contract(NamedTuple):
    """``ids`` with the element each stands on, ``sentence`` as an English page says it in the element ``says``."""

    path: str
    says: str
    sentence: str
    ids: dict[str, str]
    fields: tuple[str, ...] = ()


CONTRACT = {
    "login": Contract(
        "/login",
        "login-title",
        "Sign in",
        {"login-title": "h1", "login-submit": "button"},  # and login-cancel, where an app waits
        ("username", "password"),
    ),
    "consent": Contract(
        "/consent", "consent-title", "to use your account?", {"consent-allow": "button", "consent-deny": "button"}
    ),
    "error": Contract("/authorize", "oauth-error", "cannot continue this request", {"oauth-error": "h1"}),
    "logout": Contract("/logout", "logout", "Sign out?", {"logout-confirm": "button"}),
    "logged-out": Contract("/logged-out", "logged-out", "You are signed out", {"logged-out": "body"}),
}
# Every block of base.html but the one that holds the page, and one a theme may add to a page itself.
BLOCKS = ("head", "brand", "below", "footer")


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider() as started:
        await register(started, WEB)
        yield started


def themed(folder: Path) -> Path:
    """A theme that fills every block, brings its own words in English and draws around the sign-in form."""
    blocks = "".join(f"{{% block {name} %}}<i class=\"{name}\">of a theme</i>{{% endblock %}}\n" for name in BLOCKS)
    (folder / "base.html").write_text(f'{{% extends "idp/base.html" %}}\n{blocks}')
    around = "{% block card %}<p>Before</p>{{ super() }}<p>After</p>{% endblock %}"
    for page in CONTRACT:
        (folder / f"{page}.html").write_text(f'{{% extends "idp/{page}.html" %}}\n{around}')
    (folder / "static").mkdir()
    (folder / "static" / "theme.css").write_text(":root { --idp-accent: #123456 }")
    return folder


@pytest.fixture(params=["packaged", "themed"])
def pages(request: pytest.FixtureRequest, tmp_path: Path) -> Pages:
    return Pages(None if request.param == "packaged" else themed(tmp_path), issuer="https://id.example.com")


def text_of(html: str, name: str) -> str:
    """The words inside the element with this id."""
    [(tag, inside)] = re.findall(rf'<(\w+)[^>]*\bid="{name}"[^>]*>(.*)', html, re.DOTALL)
    return re.sub(r"<[^>]*>", "", inside.partition(f"</{tag}>")[0])


@pytest.mark.parametrize("name", CONTRACT)
def test_each_page_is_known_by_its_ids_and_says_its_sentence(pages: Pages, name: str) -> None:
    contract = CONTRACT[name]
    for page, context in contexts():
        if page != name or context.get("code") == "not_found":
            continue
        html = bytes(pages.page(name, locale="en", **context).body).decode()
        seen = Seen(html)
        for known, tag in {**contract.ids, name: "body"}.items():
            assert [element for element, found in seen.elements if found.get("id") == known] == [tag]
        assert contract.sentence in text_of(html, contract.says)
        assert set(contract.fields) <= {field["name"] for field in seen.all("input")}
        # The frames of a front-channel logout are followed by one line, beside a link that does the same.
        scripts = bool(context.get("frames") and context.get("return_to"))
        assert len(seen.all("script")) == scripts, "the suite's browser is not the only one without script"


def test_the_error_page_says_its_code_to_programs(pages: Pages) -> None:
    html = bytes(pages.page("error", locale="en", code="invalid_request", correlation_id="r").body).decode()
    assert Seen(html).by_id("oauth-error")["data-code"] == "invalid_request"


@pytest.mark.anyio
async def test_each_page_has_an_address_of_its_own(provider: Provider) -> None:
    """Nothing is told apart by what a page looks like: its path is enough."""
    visitor = Visitor(provider)
    stops = [await visitor.authorize(WEB.request())]
    stops.append(await visitor.log_in(stops[-1]))
    await visitor.submit(stops[-1], decision="allow")
    stops.append(await visitor.open("/authorize?client_id=nobody"))
    stops.append(await visitor.open("/logout"))
    stops.append(await visitor.submit(stops[-1], decision="logout"))
    seen = [stop for stop in stops if isinstance(stop, Page)]
    assert {page.id: page.url.removeprefix(provider.issuer).partition("?")[0] for page in seen} == {
        name: contract.path for name, contract in CONTRACT.items()
    }
    await visitor.aclose()


def test_the_page_says_what_is_tested() -> None:
    text = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    for name, contract in CONTRACT.items():
        [row] = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
        assert f"`{contract.path}`" in row
        assert contract.sentence in row
        assert all(f"`{known}`" in row for known in (*contract.ids, *contract.fields))
