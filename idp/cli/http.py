"""One form posted to an endpoint of an issuer, with the standard library: https, or http on this machine."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from idp.cli.trouble import Trouble
from idp.verify.fetch import FetchError, get, target

_TIMEOUT = 10.0
_MAX_ANSWER = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is the JSON object that came back, empty where none did."""

    status: int
    body: Mapping[str, Any]

    @property
    def sentence(self) -> str:
        """The answer in a line: the status, and the registered error word with its description."""
        words = [str(self.body[name]) for name in ("error", "error_description") if name in self.body]
        return f"{self.status} {': '.join(words)}".strip()


def post_form(url: str, fields: Mapping[str, str]) -> Answer:
    """POST and read the answer whatever its status; redirects are not followed. Raises Trouble."""
    try:
        where = target(url)
    except FetchError as error:
        raise Trouble("an endpoint is https, or http on this machine", received=str(error)) from None
    headers = {
        "Host": where.authority,
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    trouble: Exception = OSError("no address")
    for address in where.addresses:
        connection = _connection(address, where.host, where.port, secure=where.secure)
        try:
            connection.request("POST", where.path, urlencode(fields), headers)
            answer = connection.getresponse()
            return Answer(answer.status, _object(answer.read(_MAX_ANSWER)))
        except ConnectionRefusedError as error:
            trouble = error  # a loopback name has two addresses, a server often listens on one
        except (OSError, http.client.HTTPException) as error:
            trouble = error
            break
        finally:
            connection.close()
    raise Trouble(
        "the server must be reachable",
        received=f"{url}: {trouble or type(trouble).__name__}",
        expected="an answer",
        mend="start it: idp dev, or idp serve",
    )


def get_object(url: str) -> Mapping[str, Any]:
    """A JSON object at ``url``. Raises Trouble."""
    try:
        answer = get(url, {"Accept": "application/json"})
        if answer.status != 200:
            raise FetchError(f"{url} answered with status {answer.status}")
    except FetchError as error:
        mend = "check the issuer, and that the server runs"
        raise Trouble("the document must be there", received=str(error), mend=mend) from None
    return _object(answer.body)


def _connection(address: str, name: str, port: int, *, secure: bool) -> http.client.HTTPConnection:
    if secure:
        return http.client.HTTPSConnection(name, port, timeout=_TIMEOUT, context=ssl.create_default_context())
    return http.client.HTTPConnection(address, port, timeout=_TIMEOUT)


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
