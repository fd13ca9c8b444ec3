"""Many tries from many addresses: requests put into the application by hand, since a client library would be slow."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from attack_support import Browser, World
from httpx2 import ASGITransport

HOME = "198.51.100.7"


def address(network: int, host: int = 7) -> str:
    """An address in the /24 with that number."""
    return f"10.{network >> 8 & 255}.{network & 255}.{host}"


async def knock(
    world: World, username: str, password: str, whence: str = HOME, forwarded: str | None = None
) -> tuple[int, int]:
    """One try at the password exchange; answers status and Retry-After (0 without)."""
    headers = [(b"host", b"localhost:8000"), (b"content-type", b"application/json")]
    if forwarded is not None:
        headers.append((b"x-forwarded-for", forwarded.encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/token/",
        "raw_path": b"/api/token/",
        "query_string": b"",
        "headers": headers,
        "client": (whence, 4711),
        "server": ("localhost", 8000),
    }
    body = {"type": "http.request", "body": json.dumps({"username": username, "password": password}).encode()}
    answers: list[Any] = []

    async def receive() -> Any:
        return body

    async def send(message: Any) -> None:
        answers.append(message)

    await world.provider.application(scope, receive, send)
    wait = dict(answers[0]["headers"]).get(b"retry-after", b"0")
    return int(answers[0]["status"]), int(wait)


async def until_refused(send: Callable[[int], Any], most: int) -> int:
    """How many tries were looked at before the first refusal."""
    for number in range(most):
        if (await send(number))[0] == 429:
            return number
    raise AssertionError(f"{most} tries and no end")


def browser_at(world: World, whence: str) -> Browser:
    """A browser whose requests come from that address."""
    browser = Browser(world)
    hooks = browser.http.event_hooks
    transport = ASGITransport(app=world.provider.application, client=(whence, 4711))
    browser.http = type(browser.http)(transport=transport, base_url=world.provider.issuer)
    browser.http.event_hooks = hooks
    return browser
