"""Attacking the real server: every answer is looked at for what must never happen (U1, U2), every secret is remembered.

``World`` is a provider with the catalogue's parties; ``Browser`` one person's browser, which follows nothing by itself.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import sqlalchemy as sa
from attack_world import ISSUER, MANIFEST, PASSWORDS, asking, credentials, redeeming
from sqlalchemy import Connection

from idp.app import build
from idp.keyring import generate_key_encryption_key
from idp.settings import load
from idp.store import migrate
from idp.store.schema import metadata
from idp.testing import Provider
from idp.testing.seed import apply_seed

# U2: what a stranger must never read. Bodies and headers of every answer are searched.
LEAKS = re.compile(
    r"Traceback|site-packages|\.py[\"', :]|sqlite|sqlalchemy|starlette|uvicorn|Python/"
    r"|SELECT \w+\.|INSERT INTO|(?:Operational|Integrity|Programming)Error"
    r"|/tmp/|idp-test-|\$argon2| at 0x[0-9a-f]+|BEGIN (?:RSA |EC )?PRIVATE",
    re.IGNORECASE,
)
_SECRET = re.compile(r"\b(?:ac|dc|rt)\.[A-Za-z0-9_.-]{22,}|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_FIELD = re.compile(r'name="t" value="([^"]+)"')

# Counters and lines of record may follow a refusal; anything else that moves is a state change (U6).
_RECORDS = frozenset({"audit", "attempts"})


async def look_at(response: httpx2.Response) -> None:
    """U1 and U2 on one answer. 503 is the one 5xx that may be, and only with Retry-After."""
    await response.aread()
    if response.status_code >= 500:
        assert response.status_code == 503, f"{response.request.method} {response.request.url}: {response.text[:300]}"
        assert response.headers["retry-after"].isdigit()
    seen = response.text + "\n".join(f"{name}: {value}" for name, value in response.headers.items())
    found = LEAKS.search(seen)
    assert found is None, f"leaks {found.group(0)!r} at {response.request.url}"


class Browser:
    """Cookies of its own. ``page`` is the last page's text, ``t`` its form's hidden value."""

    def __init__(self, world: World, **headers: str) -> None:
        self.world = world
        self.http = world.provider.browser(**headers)
        self.http.event_hooks["response"] = [look_at, self._remember]

    async def _remember(self, response: httpx2.Response) -> None:
        self.world.issued.update(_SECRET.findall(response.text))
        self.world.issued.update(_SECRET.findall(response.headers.get("location", "")))
        for line in response.headers.get_list("set-cookie"):
            value = line.partition("=")[2].partition(";")[0].strip('"')
            if len(value) >= 16:
                self.world.issued.add(value)

    async def ask(self, client: str = "web", **changes: str | None) -> httpx2.Response:
        return await self.http.get("/authorize", params=asking(client, **changes))

    async def follow(self, response: httpx2.Response) -> httpx2.Response:
        """Go on while the server sends the browser to its own pages."""
        for _ in range(8):
            where = response.headers.get("location", "")
            if not where or (where.startswith("http") and not where.startswith(self.world.provider.issuer)):
                return response
            response = await self.http.get(where)
        raise AssertionError("the pages go round in circles")

    async def submit(self, page: httpx2.Response, path: str, **fields: str) -> httpx2.Response:
        return await self.http.post(path, data={"t": field_of(page), **fields})

    async def log_in(self, page: httpx2.Response, person: str, password: str | None = None) -> httpx2.Response:
        given = PASSWORDS[person] if password is None else password
        return await self.submit(page, "/login", username=person, password=given)

    async def sign_on(self, client: str = "web", person: str = "alice", **changes: str | None) -> dict[str, str]:
        """Through whatever pages there are, to the answer's members at the client's redirect URI."""
        response = await self.follow(await self.ask(client, **changes))
        if response.status_code == 200 and 'id="login"' in response.text:
            response = await self.follow(await self.log_in(response, person))
        if response.status_code == 200 and 'id="consent"' in response.text:
            response = await self.submit(response, "/consent", decision="allow")
        return answer_of(response)

    async def code(self, client: str = "web", person: str = "alice", **changes: str | None) -> str:
        return (await self.sign_on(client, person, **changes))["code"]

    async def tokens(self, client: str = "web", person: str = "alice", **changes: str | None) -> dict[str, Any]:
        scope = changes.pop("scope", "openid profile offline_access" if client != "native" else "openid offline_access")
        code = await self.code(client, person, scope=scope, **changes)
        response = await self.world.post("/token", redeeming(code, client), client)
        assert response.status_code == 200, response.text
        members: dict[str, Any] = response.json()
        return members


class Production(Provider):
    """The same provider as ``idp serve`` runs it: https, no dev help, a schema made beforehand, a key of its own."""

    options: Mapping[str, Any] = {}

    def __init__(self) -> None:
        super().__init__(issuer="https://id.test")

    async def __aenter__(self) -> Self:
        key_file = self.data_dir / "key-encryption-key"
        generate_key_encryption_key(key_file)
        members = {"issuer": self.issuer, "data_dir": str(self.data_dir), "key_encryption_key_file": str(key_file)}
        self.application = build(load(None, {}, "serve", {**members, **self.options}), clock=self.clock)
        self.server.database.write_now(migrate.to_head)
        await self.application.start()
        await apply_seed(self.server)
        self.http = self.browser()
        return self


class World:
    """The provider with its parties. ``issued`` collects every secret an answer ever held."""

    def __init__(self, provider: Provider | None = None, **options: Any) -> None:
        self.provider = provider or Provider(**options)
        self.issued: set[str] = set()

    async def __aenter__(self) -> Self:
        await self.provider.__aenter__()
        await self.provider.apply(MANIFEST)
        self.api = self.browser()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.provider.__aexit__(*error)

    @property
    def now(self) -> float:
        return self.provider.clock()

    @property
    def server(self) -> Any:
        return self.provider.server

    def browser(self, **headers: str) -> Browser:
        return Browser(self, **headers)

    async def post(
        self, path: str, form: Mapping[str, Any] | str, client: str | None = None, **headers: str
    ) -> httpx2.Response:
        """A program's request: a form, Basic credentials where ``client`` has some."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if isinstance(form, str) else {}
        body = {"content": form} if isinstance(form, str) else {"data": form}
        auth = credentials(client) if client else None
        return await self.api.http.post(path, auth=auth, headers={**kind, **headers}, **body)

    async def redeem(self, code: str, client: str = "web", **changes: str | None) -> httpx2.Response:
        return await self.post("/token", redeeming(code, client, **changes), client)

    async def refresh(self, token: str, client: str = "web", **more: str) -> httpx2.Response:
        named = {"client_id": client} if credentials(client) is None else {}
        form = {"grant_type": "refresh_token", "refresh_token": token, **named, **more}
        return await self.post("/token", form, client)

    async def active(self, token: str, client: str = "web") -> bool:
        response = await self.post("/introspect", {"token": token}, client)
        assert response.status_code == 200, response.text
        members = response.json()
        assert members["active"] or members == {"active": False}, "an inactive token has no other member"
        return bool(members["active"])

    async def userinfo(self, token: str, **headers: str) -> httpx2.Response:
        return await self.api.http.get("/userinfo", headers={"Authorization": f"Bearer {token}", **headers})

    def dump(self) -> dict[str, list[Any]]:
        """Every table's rows, audit and counted tries left out."""
        return {name: rows for name, rows in self.server.database.read_now(_dump).items() if name not in _RECORDS}

    @asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """U6: what happens inside must leave no trace in any table."""
        before = self.dump()
        yield
        after = self.dump()
        moved = [name for name in before if before[name] != after[name]]
        assert not moved, f"a refused request changed {', '.join(moved)}"


def _dump(connection: Connection) -> dict[str, list[Any]]:
    return {
        table.name: sorted(map(repr, connection.execute(sa.select(table)).all())) for table in metadata.sorted_tables
    }


def field_of(page: httpx2.Response) -> str:
    found = _FIELD.search(page.text)
    assert found is not None, f"no form in {page.status_code} {page.text[:200]}"
    return found.group(1)


def answer_of(response: httpx2.Response) -> dict[str, str]:
    """The members an authorization answer carries in its query, or in its fragment."""
    assert response.status_code == 303, f"{response.status_code} {response.text[:400]}"
    parts = urlsplit(response.headers["location"])
    query = parse_qs(parts.fragment or parts.query, keep_blank_values=True)
    assert all(len(values) == 1 for values in query.values()), "each member once"
    return {name: values[0] for name, values in query.items()}


def assert_page(response: httpx2.Response) -> None:
    """PAGE: our own error page, never a redirect."""
    assert 400 <= response.status_code < 500, f"{response.status_code} {response.headers.get('location')}"
    assert "location" not in response.headers
    assert response.headers["content-type"].startswith("text/html")
    assert 'id="error"' in response.text
    assert "code" not in parse_qs(urlsplit(str(response.headers.get("location", ""))).query)


def assert_sent(
    response: httpx2.Response, *errors: str, to: str = "https://rp.test/cb", state: str = "state-1"
) -> None:
    """REDIR(e): to the registered address with error, the same state and iss, and no code."""
    assert response.headers.get_list("location"), f"{response.status_code} {response.text[:300]}"
    assert re.split("[?#]", response.headers["location"])[0] == to
    members = answer_of(response)
    assert members["error"] in errors, members
    assert members["state"] == state
    assert members["iss"] == ISSUER
    assert "code" not in members


def assert_refused(response: httpx2.Response, status: int | tuple[int, ...], *errors: str) -> None:
    """A program's refusal: JSON, no-store, one of the registered words, no token."""
    statuses = (status,) if isinstance(status, int) else status
    assert response.status_code in statuses, f"{response.status_code} {response.text[:300]}"
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    members = response.json()
    assert members["error"] in errors, members
    assert not {"access_token", "refresh_token", "id_token", "code"} & members.keys()


def signed_es256(key: Any) -> Callable[[bytes], bytes]:
    """How ``forge`` signs when the signature itself is to be right."""
    return lambda message: bytes(jwt.get_algorithm_by_name("ES256").sign(message, key))


class Canary:
    """A listener nobody may visit (U7)."""

    def __init__(self, server: asyncio.Server) -> None:
        self.server = server
        self.visits = 0

    @property
    def port(self) -> int:
        return int(self.server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/keys"

    @classmethod
    async def start(cls) -> Canary:
        async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            made.visits += 1
            writer.close()

        made = cls(await asyncio.start_server(visited, "127.0.0.1", 0))
        return made


async def least(work: Callable[[], Awaitable[Any]], times: int = 3) -> float:
    """The best of a few tries: what the work itself costs on a machine that does other things too."""
    best = 60.0
    for _ in range(times):
        started = time.perf_counter()
        await work()
        best = min(best, time.perf_counter() - started)
    return best
