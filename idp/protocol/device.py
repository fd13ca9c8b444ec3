"""The device authorization grant (RFC 8628): what a device asks, and the code a person types for it."""

from __future__ import annotations

import re
from typing import Any

from idp.protocol.checks import offline_access, resources, scope, text_sizes
from idp.protocol.client import Client
from idp.protocol.parameters import Parameters
from idp.protocol.request import Check, Draft, Rules

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
# RFC 8628 6.1: consonants only, so that no word comes out, and none that is read as another one or as a digit.
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8
CODES = len(ALPHABET) ** LENGTH
INTERVAL = 5  # seconds between two polls (RFC 8628 3.2), and what slow_down adds (3.5)
LONGEST_INTERVAL = 60

_ANYTHING_ELSE = re.compile(r"[\s\-\u2010-\u2015_.]+")
_CODE = re.compile(f"[{ALPHABET}]{{{LENGTH}}}", re.ASCII)
_CHECKS: tuple[Check, ...] = (text_sizes, scope, offline_access, resources)


def asked(parameters: Parameters, client: Client, rules: Rules) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Scope and resources, by the checks of the authorization endpoint. Raises Refused."""
    settled: dict[str, Any] = {}
    for check in _CHECKS:
        settled.update(check(Draft(parameters, client, rules, settled)))
    return settled["scope"], settled["resources"]


def user_code(random: bytes) -> str:
    """Eight letters of 16 random bytes or more: what the remainder prefers is less than one part in 2**93."""
    number = int.from_bytes(random, "big") % CODES
    letters = []
    for _ in range(LENGTH):
        number, letter = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[letter])
    return "".join(letters)


def shown(code: str) -> str:
    """As people read it: ``BCDF-GHJK``."""
    return f"{code[: LENGTH // 2]}-{code[LENGTH // 2 :]}"


def typed(text: str) -> str | None:
    """The code somebody typed, whatever case, dashes and spaces (RFC 8628 6.1); None for what cannot be one."""
    if len(text) > 4 * LENGTH:
        return None
    code = _ANYTHING_ELSE.sub("", text).upper()
    return code if _CODE.fullmatch(code) else None
