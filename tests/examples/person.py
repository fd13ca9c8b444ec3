"""A person's browser without a window: it follows links and redirects over all sites, and fills in the forms."""

from __future__ import annotations

import html
import re
from types import TracebackType
from typing import Any

import httpx2


class Person:
    """Cookies live as long as this does. ``options`` are httpx2's, such as ``verify``."""

    def __init__(self, name: str = "alice", **options: Any) -> None:
        self.name = self.password = name  # as idp dev seeds them
        self.http = httpx2.Client(follow_redirects=True, trust_env=False, timeout=20, **options)

    def __enter__(self) -> Person:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.http.close()

    def visit(self, url: str, decision: str = "allow") -> httpx2.Response:
        """Open the address, sign in and decide where the provider asks; the page where that ends."""
        page = self.http.get(url)
        for _ in range(5):
            asked = re.search(r'<body id="(login|consent|device|device-confirm)"', page.text)
            if asked is None:
                return page
            page = self.submit(page, decision)
        raise AssertionError(f"too many forms, the last at {page.url}:\n{page.text}")

    def submit(self, page: httpx2.Response, decision: str = "allow") -> httpx2.Response:
        """Send the first form of the page as a browser would."""
        form = re.search(r"<form[^>]*>.*?</form>", page.text, re.DOTALL)
        assert form, page.text
        action = re.search(r'action="([^"]*)"', form[0])
        fields = {}
        for tag in re.findall(r"<input[^>]*>", form[0]):
            name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
            if name:
                fields[name[1]] = html.unescape(value[1]) if value else ""
        if "password" in fields:
            fields |= {"username": self.name, "password": self.password}
        elif "decision" in form[0]:
            fields["decision"] = decision
        return self.http.post(page.url.join(html.unescape(action[1])) if action else page.url, data=fields)
