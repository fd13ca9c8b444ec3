"""Every secret that crosses the provider's border in a test, and everything that was logged meanwhile, at DEBUG.

The border is ``Application``'s ASGI call: whoever asks (a client in-process, a browser, a foreign program at a socket),
what is presented and what is issued passes there. Bytes are only kept; they are taken apart where a test has logged
something. Servers in processes of their own are not seen: ``tests/watch/test_watch_secrets.py`` does that for one.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import logging
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import pytest

from idp.app import Application
from idp.watch.logs import JsonFormatter, TextFormatter

# A client library of a test writes what it sends, by its own right.
OURS = frozenset(
    ("alembic", "argon2", "asyncio", "asyncpg", "idp", "joserfc", "root", "sqlalchemy", "starlette", "uvicorn")
)
SECRETS = frozenset(
    (
        *("password", "current_password", "new_password", "client_secret", "code", "code_verifier", "refresh_token"),
        *("access_token", "id_token", "id_token_hint", "token", "client_assertion", "assertion", "logout_token"),
        *("access", "refresh", "secret", "t", "registration_access_token"),
    )
)
_COMMANDS = (JsonFormatter, TextFormatter)  # what a command left behind writes to a stream that is closed by now
_QUIET = frozenset(("root", "sqlalchemy"))
_SHORTEST = 8  # a seeded person's password is their name, and a word of a sentence is no secret
# What a test presents as a secret may be anything: markup, SQL, an address. Then it stands elsewhere too.
_NO_SECRET = re.compile(r"""["'<>()%]|https?:""")
_WORD = re.compile("[a-z_]{0,20}")  # a password of a test vector may be "password", as a column of a table is
_HIDDEN = re.compile(rb'<input[^>]*type="hidden"[^>]*>')
_NAME, _VALUE = re.compile(rb'name="([^"]*)"'), re.compile(rb'value="([^"]*)"')


@dataclass(slots=True)
class Exchange:
    """One request and its answer, as bytes."""

    asked: list[tuple[bytes, bytes]]
    query: bytes
    form: list[bytes] = field(default_factory=list)
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)

    def secrets(self) -> set[str]:
        found = {*self.presented(), *self.issued()}
        return {value for value in found if len(value) >= _SHORTEST and not _WORD.fullmatch(value)}

    def presented(self) -> Iterator[str]:
        found = [*_of_headers(self.asked), *_of_pairs(parse_qsl(self.query.decode("latin-1")))]
        found += _of_body(b"".join(self.form))
        yield from (value for value in found if not _NO_SECRET.search(value))

    def issued(self) -> Iterator[str]:
        for name, value in self.headers:
            if name.lower() == b"set-cookie":
                yield value.decode("latin-1").partition("=")[2].partition(";")[0]
            elif name.lower() == b"location":
                parts = urlsplit(value.decode("latin-1"))
                yield from _of_pairs([*parse_qsl(parts.query), *parse_qsl(parts.fragment)])
        yield from _of_body(b"".join(self.body))


class Leaks(logging.Handler):
    """Both sides, until ``forget``; a module's secrets stay until its end, as its provider does."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[str] = []
        self.exchanges: list[Exchange] = []
        self._known: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in OURS:
            self.said.append(self.format(record))  # the traceback too

    def watch(self) -> Callable[[], None]:
        """Begin; answers what ends it."""
        root, untouched = logging.getLogger(), Application.__call__
        level = root.level
        root.addHandler(self)
        root.setLevel(logging.DEBUG)
        Application.__call__ = _tapped(untouched, self.exchanges)  # type: ignore[method-assign]

        def end() -> None:
            Application.__call__ = untouched  # type: ignore[method-assign]
            root.removeHandler(self)
            root.setLevel(level)

        return end

    def found(self) -> list[str]:
        """Secrets that were logged since the last look, each cut short."""
        said, self.said = "\n".join(self.said), []
        if not said:
            return []
        for exchange in self.exchanges:
            self._known.update(exchange.secrets())
        self.exchanges.clear()
        return sorted(f"{secret[:6]}... ({len(secret)})" for secret in self._known if secret in said)

    def forget(self) -> None:
        self.exchanges.clear()
        self._known.clear()


def _tapped(call: Any, exchanges: list[Exchange]) -> Any:
    async def tapped(application: Any, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await call(application, scope, receive, send)
        seen = Exchange(scope["headers"], scope["query_string"])
        exchanges.append(seen)

        async def heard() -> Any:
            message = await receive()
            seen.form.append(message.get("body", b""))
            return message

        async def told(message: Any) -> None:
            seen.headers.extend(message.get("headers", ()))
            seen.body.append(message.get("body", b""))
            await send(message)

        return await call(application, scope, heard, told)

    return tapped


def _of_headers(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    for name, value in headers:
        text = value.decode("latin-1")
        if name.lower() == b"cookie":
            yield from (pair.partition("=")[2].strip() for pair in text.split(";"))
        elif name.lower() == b"authorization":
            kind, _, credentials = text.partition(" ")
            if kind.lower() != "basic":
                yield credentials
                continue
            try:
                secret = base64.b64decode(credentials).decode("latin-1").partition(":")[2]
            except (ValueError, binascii.Error):
                continue
            if len(secret) >= _SHORTEST:
                yield from (credentials, unquote_plus(secret))


def _of_body(body: bytes) -> Iterator[str]:
    if body[:1] in (b"{", b"["):
        try:
            yield from _of_json(json.loads(body))
        except (ValueError, RecursionError):  # a test's own nonsense
            return
    elif body[:1] == b"<":
        for tag in _HIDDEN.findall(body):
            name, value = _NAME.search(tag), _VALUE.search(tag)
            if name and value and name[1].decode("latin-1") in SECRETS:
                yield html.unescape(value[1].decode("latin-1"))
    else:
        yield from _of_pairs(parse_qsl(body.decode("latin-1")))


def _of_json(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name in SECRETS and isinstance(member, str):
                yield member
            else:
                yield from _of_json(member)


def _of_pairs(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from (value for name, value in pairs if name in SECRETS)


LEAKS = Leaks()


def pytest_configure(config: pytest.Config) -> None:
    config.add_cleanup(LEAKS.watch())


def pytest_runtest_setup() -> None:
    """A test that set up logging as a command does has taken our place, and quietened loggers, for all that follow."""
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler.formatter, _COMMANDS)]
    if LEAKS not in root.handlers:
        root.addHandler(LEAKS)
    root.setLevel(logging.DEBUG)
    # SQLAlchemy quietens itself, and at DEBUG writes rows: hashes and ids, which some tests present as if secret.
    for name in (name for name in logging.root.manager.loggerDict if name.partition(".")[0] in OURS - _QUIET):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    """After the fixtures': a module's provider logs to its end."""
    result = yield
    found = LEAKS.found()
    if nextitem is None or nextitem.path != item.path:
        LEAKS.forget()
    if found:
        pytest.fail(f"secrets were logged in this test: {', '.join(found)}", pytrace=False)
    return result
