"""A browser with cookies, just clever enough to sign in: redirects, the login form, consent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from process import BenchError

MAX_HOPS = 15


@dataclass(slots=True)
class Form:
    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class Forms(HTMLParser):
    """The forms of a page: hidden values, and the names of everything a person could fill or press."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get").lower()))
        elif tag in ("input", "button") and self.forms and "name" in values:
            form = self.forms[-1]
            form.names.add(values["name"])
            if values.get("type") == "hidden":
                form.fields[values["name"]] = values.get("value", "")


def readable(page: str) -> str:
    """The words of a page, for a message."""
    words = re.sub(r"<[^>]*>", " ", page[page.find("<body") :] if "<body" in page else page)
    return " ".join(words.split())[:500]


class Browser:
    def __init__(self, base: str) -> None:
        self.base = base
        self.client = httpx2.Client(follow_redirects=False, timeout=30)

    def authorize(self, url: str, redirect_uri: str, username: str, password: str) -> dict[str, str]:
        """Follow `url` through login and consent; the parameters the redirect URI received."""
        answer = self.client.get(url)
        for _ in range(MAX_HOPS):
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["location"])
                if target.startswith(redirect_uri):
                    return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
                answer = self.client.get(target)
            elif answer.status_code == 200 and answer.headers.get("content-type", "").startswith("text/html"):
                answer = self.submit(answer, username, password)
            else:
                raise BenchError(f"{answer.url} answered {answer.status_code}: {readable(answer.text)}")
        raise BenchError(f"no way back to {redirect_uri} within {MAX_HOPS} hops; last at {answer.url}")

    def submit(self, page: httpx2.Response, username: str, password: str) -> httpx2.Response:
        parser = Forms()
        parser.feed(page.text)
        form = next((form for form in parser.forms if {"password", "decision"} & form.names), None)
        if form is None:
            raise BenchError(f"{page.url} shows neither a login nor a consent form: {readable(page.text)}")
        values = dict(form.fields)
        values |= {"username": username, "password": password} if "password" in form.names else {"decision": "allow"}
        target = urljoin(str(page.url), form.action) if form.action else str(page.url)
        return self.client.post(target, data=values, headers={"origin": self.base})

    def cookie_header(self, url: str) -> str:
        return self.client.build_request("GET", url).headers.get("cookie", "")
