"""A person's browser without a window: it answers the provider's pages and stops where it would leave them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2

_INLINE = ("a", "bdi", "code", "em", "mark", "span", "strong")
_MOST = 12  # redirects and pages of one visit


class Stuck(AssertionError):
    """The visit ended at a page of the provider: its text says why."""


@dataclass(frozen=True)
class Landing:
    """Where the provider sent the browser: the app's callback.

    ``url`` is the whole address; ``params`` what the provider answered, in its query, fragment or form. ``method`` is
    POST for ``response_mode=form_post``.
    """

    url: str
    params: Mapping[str, str]
    method: str = "GET"

    @property
    def code(self) -> str:
        """The authorization code. Raises Stuck for an answer that holds an error."""
        if "code" not in self.params:
            raise Stuck(f"no code came back: {dict(self.params)}")
        return self.params["code"]

    @property
    def error(self) -> str | None:
        return self.params.get("error")


class Browser:
    """Cookies of its own, so a second visit is single sign-on. ``person`` signs in, and allows what apps ask."""

    def __init__(
        self,
        transport: httpx2.BaseTransport,
        issuer: str,
        person: str,
        password: str | None = None,
        *,
        consent: bool = True,
    ) -> None:
        self.person = person
        self.password = person if password is None else password
        self.consent = consent
        self.pages: list[str] = []  # the provider's pages that were answered: ("login", "consent")
        self._origin = _origin(issuer)
        self._http = httpx2.Client(transport=transport, base_url=issuer, headers={"accept": "text/html"})

    def at_provider(self, url: str) -> bool:
        return _origin(url) == self._origin

    def visit(self, url: str, form: Mapping[str, str] | None = None) -> Landing:
        """Open an authorization URL (or any page that leads back to an app) and answer everything on the way."""
        answer = self._http.get(url) if form is None else self._http.post(url, data=dict(form))
        for _ in range(_MOST):
            target = answer.headers.get("location")
            if target is not None:
                target = urljoin(str(answer.url), target)
                if not self.at_provider(target):
                    return _landed(target)
                answer = self._http.get(target)
                continue
            page = _Page.of(answer)
            away = urljoin(str(answer.url), page.action)
            if page.action and not self.at_provider(away):
                return Landing(away, page.hidden, "POST")
            fields = self._answer(page)
            self.pages.append(page.id)
            answer = self._http.post(away, data={**page.hidden, **fields}, headers={"origin": self._origin})
        raise Stuck(f"{_MOST} pages and redirects, the last {answer.url}")

    def _answer(self, page: _Page) -> dict[str, str]:
        once = page.id not in self.pages[-1:]  # the same page again means that the answer was refused
        if page.id == "login" and once:
            return {"username": self.person, "password": self.password}
        if page.id == "consent" and once:
            return {"decision": "allow" if self.consent else "deny"}
        if page.id == "select-account" and once:
            return {"choice": "current"}
        if page.id == "logout" and once:
            return {"decision": "logout"}
        raise Stuck(f"the browser of {self.person} stands at page {page.id!r} ({page.status}): {page.text}")


def _landed(url: str) -> Landing:
    parts = urlsplit(url)
    return Landing(url, dict(parse_qsl(parts.fragment or parts.query, keep_blank_values=True)))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass
class _Page:
    status: int
    id: str = ""
    action: str = ""
    hidden: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, answer: httpx2.Response) -> _Page:
        page = cls(answer.status_code)
        _Reader(page).feed(answer.text)
        return page

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())[:1000]


class _Reader(HTMLParser):
    def __init__(self, page: _Page) -> None:
        super().__init__()
        self._page = page
        self._silent = False
        self._tags: Mapping[str, Callable[[dict[str, str]], None]] = {
            "body": self._body,
            "form": self._form,
            "input": self._input,
        }

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag in ("script", "style", "title")
        if tag not in _INLINE:
            self._page.words.append(" ")
        if tag in self._tags:
            self._tags[tag]({name: value or "" for name, value in attrs})

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._page.words.append(data)

    def _body(self, found: dict[str, Any]) -> None:
        self._page.id = found.get("id", "")

    def _form(self, found: dict[str, Any]) -> None:
        self._page.action = found.get("action", "")

    def _input(self, found: dict[str, Any]) -> None:
        if found.get("type") == "hidden":
            self._page.hidden[found.get("name", "")] = found.get("value", "")
