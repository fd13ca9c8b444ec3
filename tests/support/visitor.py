"""A browser without a window: it follows the provider's redirects, fills in forms, and stops where it would leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2

from idp.testing import Provider, RunningServer
from support.apps import App

_MOST_REDIRECTS = 8


@dataclass(frozen=True, slots=True)
class Page:
    """One of the provider's pages: ``id`` of its body, where its form goes, the hidden fields, the whole text."""

    id: str
    status: int
    url: str
    text: str
    action: str
    fields: Mapping[str, str]
    inputs: Mapping[str, str]
    lang: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The browser was sent to another site: ``to`` is the address alone, ``members`` its query, or its fragment."""

    to: str
    members: Mapping[str, str]
    url: str
    status: int

    @property
    def code(self) -> str:
        return self.members["code"]

    @property
    def error(self) -> str | None:
        return self.members.get("error")


def granted(stop: Page | Answer) -> bool:
    """Whether the browser is back at the app with a code."""
    return isinstance(stop, Answer) and "code" in stop.members


class Visitor:
    """A person's browser with cookies of its own. ``headers`` are sent with everything (``accept_language="de"``)."""

    def __init__(self, provider: Provider | RunningServer, **headers: str) -> None:
        named = {"accept": "text/html", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if isinstance(provider, Provider):
            self.http = provider.browser(**named)
        else:
            self.http = httpx2.AsyncClient(base_url=provider.issuer, headers=named)
        parts = urlsplit(provider.issuer)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.base = parts.path  # of the issuer: addresses we are sent to begin with it

    async def open(self, url: str, parameters: Mapping[str, Any] | None = None) -> Page | Answer:
        """GET, and follow redirects as long as they stay here."""
        return await self._follow(await self.http.get(url, params=parameters))

    async def post(self, url: str, form: Mapping[str, Any], **headers: str) -> Page | Answer:
        return await self._follow(await self.http.post(url, data=dict(form), headers=headers))

    async def authorize(self, request: Mapping[str, str], method: str = "GET") -> Page | Answer:
        """Bring an app's authorization request; a POST comes from the app's own site, as it does in reality."""
        if method == "POST":
            return await self.post("/authorize", request, origin="https://app.test")
        return await self.open("/authorize", request)

    async def submit(self, page: Page | Answer, **fields: str) -> Page | Answer:
        """Send the page's form, hidden fields and all, as a browser does."""
        assert isinstance(page, Page), f"the browser already left: {page}"
        form = {**page.fields, **fields}
        return await self.post(
            urljoin(page.url, page.action), form, **{"origin": self.origin, "sec-fetch-site": "same-origin"}
        )

    async def log_in(self, page: Page | Answer, username: str = "alice", password: str | None = None) -> Page | Answer:
        """Answer the login page; a seeded person's password is the user name."""
        return await self.submit(page, username=username, password=password or username)

    async def arrive(self, request: Mapping[str, str], username: str = "alice") -> Page | Answer:
        """Through login and consent to wherever the answer is given: an address, or a form to one."""
        stop = await self.authorize(request)
        while isinstance(stop, Page) and stop.id in ("login", "consent"):
            stop = await (self.log_in(stop, username) if stop.id == "login" else self.submit(stop, decision="allow"))
        return stop

    async def sign_on(
        self,
        request: Mapping[str, str],
        username: str = "alice",
        password: str | None = None,
        *,
        decision: str = "allow",
        choice: str = "current",
        method: str = "GET",
    ) -> Answer:
        """The whole way: answer every page that comes, in whatever order, until the browser is back at the app."""
        stop = await self.authorize(request, method)
        for _ in range(4):
            if isinstance(stop, Answer):
                return stop
            if stop.id == "login":
                stop = await self.log_in(stop, username, password)
            elif stop.id == "consent":
                stop = await self.submit(stop, decision=decision)
            elif stop.id == "select-account":
                stop = await self.submit(stop, choice=choice)
            else:
                break
        raise AssertionError(f"stopped at {stop.id} ({stop.status}): {stop.text}" if isinstance(stop, Page) else stop)

    async def aclose(self) -> None:
        await self.http.aclose()

    async def _follow(self, response: httpx2.Response) -> Page | Answer:
        for _ in range(_MOST_REDIRECTS):
            target = response.headers.get("location")
            if target is None:
                return _read(response)
            target = urljoin(str(response.url), target)
            if not target.startswith(self.origin + "/"):
                to, _, query = target.partition("#" if "#" in target else "?")
                return Answer(to, dict(parse_qsl(query, keep_blank_values=True)), target, response.status_code)
            response = await self.http.get(target)
        raise AssertionError(f"more than {_MOST_REDIRECTS} redirects, the last to {response.url}")


async def sign_in(
    provider: Provider, app: App, username: str = "alice", password: str | None = None, **changes: str
) -> dict[str, Any]:
    """A token answer for a person at an app, by the code flow in a browser of its own."""
    visitor = Visitor(provider)
    answer = await visitor.sign_on(app.request(**changes), username, password)
    tokens = await app.redeem(provider.http, answer.code)
    tokens.raise_for_status()
    await visitor.aclose()
    return dict(tokens.json())


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.id = self.lang = self.action = ""
        self.hidden: dict[str, str] = {}
        self.inputs: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.lang = found.get("lang", "")
        elif tag == "body":
            self.id = found.get("id", "")
        elif tag == "form":
            self.action = found.get("action", "")
        elif tag == "input":
            kept = self.hidden if found.get("type") == "hidden" else self.inputs
            kept[found.get("name", "")] = found.get("value", "")


def _read(response: httpx2.Response) -> Page:
    form = _Form()
    form.feed(response.text)
    return Page(
        id=form.id,
        status=response.status_code,
        url=str(response.url),
        text=response.text,
        action=form.action,
        fields=form.hidden,
        inputs=form.inputs,
        lang=form.lang,
        headers=response.headers,
    )
