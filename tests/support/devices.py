"""A device that shows a code (RFC 8628), and its person with a browser elsewhere."""

from __future__ import annotations

from typing import Any

import httpx2

from support.apps import App
from support.visitor import Answer, Page, Visitor

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
TV = App(
    "tv",
    method="none",
    scope="openid profile email offline_access",
    grant_types=(DEVICE_GRANT, "refresh_token"),
    members={"client_name": "Living room TV"},
)


async def ask(http: httpx2.AsyncClient, app: App = TV, **form: Any) -> dict[str, Any]:
    """What the device is told: its own code, and the one it shows."""
    answer = await app.call(http, "/device_authorization", {"scope": "openid", **form})
    answer.raise_for_status()
    return dict(answer.json())


async def poll(http: httpx2.AsyncClient, device_code: str, app: App = TV, **form: Any) -> httpx2.Response:
    return await app.token(http, DEVICE_GRANT, device_code=device_code, **form)


async def at_device(visitor: Visitor, user_code: str = "", username: str = "alice") -> Page:
    """The page where the code is typed, signed in."""
    stop = await visitor.open("/device", {"user_code": user_code} if user_code else {})
    if isinstance(stop, Page) and stop.id == "login":
        stop = await visitor.log_in(stop, username)
    assert isinstance(stop, Page), stop
    return stop


async def enter(visitor: Visitor, user_code: str, username: str = "alice") -> Page | Answer:
    """Where the code leads: the page that asks for a yes or no, if it is right."""
    return await visitor.submit(await at_device(visitor, username=username), user_code=user_code)


async def decide(visitor: Visitor, user_code: str, decision: str = "allow", username: str = "alice") -> Page | Answer:
    return await visitor.submit(await enter(visitor, user_code, username), decision=decision)
