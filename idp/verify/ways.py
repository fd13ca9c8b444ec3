"""The two ways to wait, so that the rules need be written once.

The rules are coroutines. In an event loop they wait as any does. Blocking, what they wait for never suspends: the
coroutine runs to its end at the first step (``at_rest``), in the thread of whoever called.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from idp.jose.public import PublicKey

from .introspection import Introspector
from .keysource import Keys
from .proofs import at_once

T = TypeVar("T")
FirstUse: TypeAlias = "bool | Awaitable[bool]"


@dataclass(frozen=True, slots=True)
class Way:
    """How to find the key of a header, what an issuer says of an opaque token, and whether a proof is new."""

    key: Callable[[Mapping[str, Any]], Awaitable[PublicKey]]
    active: Callable[[str], Awaitable[Mapping[str, Any]]] | None
    first: Callable[[FirstUse], Awaitable[bool]]


def in_loop(keys: Keys, introspector: Introspector | None) -> Way:
    """Other tasks run on while this one waits."""

    async def first(answer: FirstUse) -> bool:
        return await answer if inspect.isawaitable(answer) else bool(answer)

    return Way(keys.find, introspector.find if introspector else None, first)


def blocking(keys: Keys, introspector: Introspector | None) -> Way:
    """The thread waits, and the coroutine never does."""

    async def key(header: Mapping[str, Any]) -> PublicKey:
        return keys.find_blocking(header)

    async def first(answer: FirstUse) -> bool:
        return at_once(answer)

    if introspector is None:
        return Way(key, None, first)
    ask = introspector.find_blocking

    async def active(token: str) -> Mapping[str, Any]:
        return ask(token)

    return Way(key, active, first)


def at_rest(steps: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never suspends."""
    try:
        steps.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    steps.close()
    raise RuntimeError("a blocking verifier waited for an event loop")
