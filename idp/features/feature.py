"""What a specification is here: one frozen value. Discovery and routes are computed from the list of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from idp.protocol.request import Check
from idp.server import ClientSource, GrantFunction, Server
from idp.settings import Settings
from idp.web.answers import OtherForm
from idp.web.client_authentication import Prove
from idp.web.delivery import Deliver
from idp.web.holder import Binding
from idp.web.registration_answer import RegistrationCheck
from idp.web.sources import Source

Handler = Callable[[Request], Awaitable[Response]]
Auth = Literal[
    "nobody",
    "client",
    "access token",
    "person",
    "browser that began",
    "nobody or initial access token",
    "registration access token",
]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path with its methods. ``auth`` says who may call it; ``source`` names the section it follows."""

    path: str
    methods: tuple[str, ...]
    handler: Handler
    auth: Auth
    source: str
    cors: bool | Literal["anybody"] = False  # True: the origins of registered clients


@dataclass(frozen=True, slots=True)
class PublicDocument:
    """Public JSON under ``name`` (``/.well-known/...``), before and behind the issuer's path (RFC 8414 3.1).

    ``content`` is asked again when what operators register has changed.
    """

    name: str
    content: Callable[[Server, Sequence[Feature]], Mapping[str, Any]]
    source: str


@dataclass(frozen=True, slots=True)
class Job:
    """Work without a request, every ``seconds``; safe to run on any number of nodes at once."""

    name: str
    seconds: Callable[[Server], float]
    run: Callable[[Server], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Feature:
    """``metadata`` gives this feature's discovery members; ``active`` whether these settings want it at all.

    ``answers`` are other forms of an endpoint's answer, by its name in discovery (``userinfo``, ``introspection``).
    ``sources`` are asked before anything is checked, ``checks`` after those of the core; both in the features' order.
    ``registration_checks`` ask the outside before a client that registers itself is stored.
    ``client_sources`` make, for one server each, what knows clients that nobody registered. ``current_metadata`` is
    the part of discovery that operators change meanwhile, ``resource_metadata`` what the issuer says of itself as a
    resource (RFC 9728 2).
    ``bindings`` are ways of tying tokens to a key.
    """

    name: str
    endpoints: tuple[Endpoint, ...] = ()
    grants: Mapping[str, GrantFunction] = field(default_factory=dict)
    client_authentication: Mapping[str, Prove] = field(default_factory=dict)
    response_types: tuple[str, ...] = ()
    response_modes: Mapping[str, Deliver] = field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    answers: Mapping[str, OtherForm] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    checks: tuple[Check, ...] = ()
    registration_checks: tuple[RegistrationCheck, ...] = ()
    bindings: tuple[Binding, ...] = ()
    logout_frames: Callable[[Server, str], Awaitable[tuple[str, ...]]] | None = None
    metadata: Callable[[Settings], Mapping[str, Any]] = lambda settings: {}
    jobs: tuple[Job, ...] = ()
    client_sources: tuple[Callable[[], ClientSource], ...] = ()
    documents: tuple[PublicDocument, ...] = ()
    current_metadata: Callable[[Server], Mapping[str, Any]] = lambda server: {}
    resource_metadata: Callable[[Settings], Mapping[str, Any]] = lambda settings: {}
    active: Callable[[Settings], bool] = lambda settings: True
