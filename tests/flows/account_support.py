"""The account page as a browser without a window uses it: open it, read its rows, press one of its buttons."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from support import PASSWORD, Answer, Page, Visitor

from idp.testing import Provider

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


def page(stop: Page | Answer, name: str = "account") -> Page:
    assert isinstance(stop, Page), stop
    assert stop.id == name, stop.text
    return stop


async def at_home(provider: Provider, username: str, password: str = PASSWORD, **headers: str) -> tuple[Visitor, Page]:
    """A browser of its own, signed in on the account page."""
    visitor = Visitor(provider, **{"user_agent": FIREFOX, **headers})
    stop = page(await visitor.open("/account"), "login")
    return visitor, page(await visitor.log_in(stop, username, password))


async def press(visitor: Visitor, shown: Page, form: str, **fields: str) -> Page | Answer:
    """Post one of the page's forms (``password``, ``sessions``, ``apps``) as the browser that shows it would."""
    sent: Mapping[str, str] = {"t": shown.fields["t"], **fields}
    headers = {"origin": visitor.origin, "sec-fetch-site": "same-origin"}
    return await visitor.post(f"/account/{form}", sent, **headers)


async def change(visitor: Visitor, shown: Page, fresh: str, current: str = PASSWORD, repeat: str | None = None) -> Page:
    fields = {"current_password": current, "new_password": fresh, "repeat_password": repeat or fresh}
    return page(await press(visitor, shown, "password", **fields))


def references(shown: Page) -> list[str]:
    return re.findall(r'name="session" value="([^"]+)"', shown.text)


def apps(shown: Page) -> list[str]:
    return re.findall(r'name="client" value="([^"]+)"', shown.text)


def section(shown: Page, name: str) -> str:
    """The words of one section, as one line."""
    found = re.search(rf'<section aria-labelledby="account-{name}">(.*?)</section>', shown.text, re.DOTALL)
    assert found, name
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found[1])).split())
