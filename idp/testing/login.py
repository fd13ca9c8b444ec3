"""The login of the client under test, from its own first page to what it shows after the callback.

Written once as steps, which a sync or an async client of the app takes: httpx2's and httpx's, Starlette's and FastAPI's
``TestClient``, Flask's and Django's test clients, and ``requests``.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from idp.testing.browser import Browser, Landing, Stuck

_MOST = 20
_REDIRECTS = (301, 302, 303, 307, 308)


class Step(NamedTuple):
    """A request to the app."""

    url: str
    form: dict[str, str] | None = None


Steps = Generator[Step, Any, Any]


def log_in(client: Any, browser: Browser, start: str) -> Any:
    steps = _steps(browser, start)
    step = next(steps)
    while True:
        answer = _asked(client, step)
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return end.value


async def log_in_async(client: Any, browser: Browser, start: str) -> Any:
    steps = _steps(browser, start)
    step = next(steps)
    while True:
        answer = await _asked(client, step)
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return end.value


def _steps(browser: Browser, start: str) -> Steps:
    """Yields requests to the app, is sent its answers, and returns the last one."""
    been, at = False, start
    answer = yield Step(start)
    for _ in range(_MOST):
        target = answer.headers.get("location") if answer.status_code in _REDIRECTS else None
        if target is None:
            if not been:
                raise Stuck(f"{start} answered {answer.status_code} and never led to the provider")
            return answer
        at = urljoin(at, target)
        if browser.at_provider(at):
            been = True
            landing: Landing = browser.visit(at)
            at = landing.url
            answer = yield Step(_as_begun(at, start), dict(landing.params) if landing.method == "POST" else None)
        else:
            answer = yield Step(_as_begun(at, start))
    raise Stuck(f"{_MOST} redirects, the last to {at}")


def _as_begun(url: str, start: str) -> str:
    """A test client that was given a path has an origin of its own, where its cookies are."""
    if urlsplit(start).scheme:
        return url
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _asked(client: Any, step: Step) -> Any:
    """One request; its answer, or what an async client gives to await."""
    known_as_requests = type(client).__module__.split(".")[0] == "requests"
    stay = {"allow_redirects" if known_as_requests else "follow_redirects": False}
    return client.get(step.url, **stay) if step.form is None else client.post(step.url, data=step.form, **stay)
