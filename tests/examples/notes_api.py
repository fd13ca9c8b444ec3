"""A person's notes, for apps of the given origins: the API the examples call. Refuses what it is told to refuse."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from idp.verify import Refused, Verifier, bearer_token


class NotesApi:
    """``resource`` is its name in tokens. ``tokens`` came so far.

    The next ``refuse`` requests are answered 401, and any with a token of ``refused``; the latter, where
    ``together`` is set, only when as many of them are here.
    """

    def __init__(self, issuer: str, resource: str) -> None:
        self.verifier = Verifier(issuer, resource)
        self.notes: defaultdict[str, list[str]] = defaultdict(list)
        self.refuse = 0
        self.refused: set[str] = set()
        self.together: asyncio.Barrier | None = None
        self.tokens: list[str] = []

    async def answer(self, http: Request) -> Response:
        try:
            token = bearer_token(http.headers.get("authorization"))
            self.tokens.append(token)
            scope = "notes:write" if http.method == "POST" else "notes:read"
            person = (await self.verifier.verify(token, scopes=[scope])).subject
        except Refused as refused:
            return JSONResponse({"reason": refused.reason}, refused.status)
        if token in self.refused and self.together:
            await self.together.wait()
        if self.refuse or token in self.refused:
            self.refuse = max(0, self.refuse - 1)
            return JSONResponse({"reason": "told to"}, 401)
        if http.method == "POST":
            self.notes[person].append((await http.json())["text"])
            return JSONResponse({"id": len(self.notes[person]), "text": self.notes[person][-1]}, 201)
        return JSONResponse([{"id": at, "text": text} for at, text in enumerate(self.notes[person], 1)])


@contextmanager
def running_api(issuer: str, port: int, resource: str, origins: list[str]) -> Iterator[NotesApi]:
    api = NotesApi(issuer, resource)
    cors = Middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type"],
    )
    app = Starlette(routes=[Route("/notes", api.answer, methods=["GET", "POST"])], middleware=[cors])
    with in_thread(app, port):
        yield api


@contextmanager
def in_thread(app: Starlette, port: int) -> Iterator[None]:
    """Serve ``app`` on ``port`` of this machine until the block ends."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, access_log=False, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started, f"nothing listens on {port}"
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)
