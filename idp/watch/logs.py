"""The log: one line an event on standard error, as a JSON object or as text, through the standard ``logging``.

A line inside a request carries the request's names. Paths stand there without their query, which may hold a code, and
cut like everything else that came from outside; a library speaks only from WARNING on, because below that several
write what they send.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec
from starlette.types import Scope

from idp.protocol.errors import visible, without_issued
from idp.watch.request import CURRENT
from idp.web.correlation import known_correlation_id

Format = Literal["json", "text"]
_encode = msgspec.json.Encoder().encode
_LONGEST_PATH = 256


def configure(form: Format, level: str, stream: TextIO | None = None) -> None:
    """Send everything to ``stream`` (standard error); ``level`` holds for this program's own loggers."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("idp").setLevel(level.upper())


class JsonFormatter(logging.Formatter):
    """``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message``; a request's names; a fault's traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["exception"] = {"type": type(error).__qualname__, "trace": "".join(traceback.format_exception(error))}
        try:
            return _encode(line).decode()
        except UnicodeEncodeError:  # half of a surrogate pair, which no UTF-8 can hold
            return _encode(_mended(line)).decode()


class TextFormatter(logging.Formatter):
    """For people: a line each, a traceback below it. What is no printable character is escaped: no line is forged."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        line = f"{time} {record.levelname} {record.name} {_one_line(record.getMessage())}"
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        return line


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    """What the line's own ``extra={"fields": ...}`` says, after the names of the request it belongs to."""
    own: Mapping[str, Any] = getattr(record, "fields", {})
    scope = CURRENT.get()
    return own if scope is None else {**names_of(scope), **own}


def names_of(scope: Scope) -> dict[str, Any]:
    """The request as lines about it name it; members it does not have yet are left out."""
    names: dict[str, Any] = {
        "request_id": scope["idp.names"].of(scope),
        "method": scope["method"],
        "path": path_of(scope),
    }
    correlation = known_correlation_id(scope)
    if correlation is not None:
        names["correlation_id"] = correlation
    client = scope.get("idp.client")
    if client is not None:
        names["client_id"] = client.client_id
    return names


def path_of(scope: Scope) -> str:
    """The path alone, bounded; a token that strayed into it is cut short."""
    path: str = scope["path"]
    return path if len(path) < 16 and path.isprintable() else visible(without_issued(path), _LONGEST_PATH)


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return {name: _mended(member) for name, member in value.items()} if isinstance(value, Mapping) else value


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
