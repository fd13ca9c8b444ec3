"""A refresh family and its use, as an app sees it."""

from __future__ import annotations

from typing import Any

from support import WEB, App, sign_in

from idp.testing import Provider

OFFLINE = "openid profile email offline_access"
SESSION = App(
    "session-bound", "https://sb.test/cb", "secret-of-session-bound-0123456789", members={"refresh": "session"}
)


async def family(provider: Provider, app: App = WEB, scope: str = OFFLINE) -> str:
    return str((await sign_in(provider, app, scope=scope))["refresh_token"])


async def renewed(provider: Provider, app: App, refresh_token: str, **changes: Any) -> dict[str, Any]:
    answer = await app.refresh(provider.http, refresh_token, **changes)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def refused(provider: Provider, app: App, refresh_token: str, **changes: Any) -> str:
    answer = await app.refresh(provider.http, refresh_token, **changes)
    assert answer.status_code == 400, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return str(answer.json()["error"])
