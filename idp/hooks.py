"""What your app may add to the provider, as plain Python: its people, claims, a consent policy, events (docs/hooks.md).

Every hook may be an ordinary function or an asynchronous one. An ordinary one runs in a thread of its own kind, never
in the event loop's; an asynchronous one is awaited in the loop and must not block it. The loop waits for either at most
``Hooks.seconds``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from idp.accounts.passwords import check_hash
from idp.protocol.extra_claims import RESERVED
from idp.protocol.prompts import Policy

__all__ = [
    "RESERVED",
    "Accounts",
    "ChecksPasswords",
    "ClaimsAsked",
    "ConsentAsked",
    "Event",
    "Hooks",
    "Person",
    "Policy",
    "check_hash",
]

_LONGEST_SUB, _LONGEST_NAME = 64, 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One row of your users table. Raises ValueError for what cannot be a person.

    ``sub`` is what apps know them by: it never changes and is never given to another person; 1 to 64 visible ASCII
    characters, such as the primary key. ``username`` is shown on the pages. ``claims`` are about them (OpenID Connect
    Core 5.1, and your own, which a scope opens); none of ``RESERVED``. ``disabled`` people get nothing, from the next
    request on.

    ``password_hash`` is of a kind that ``idp user import`` reads (Django, Werkzeug, PHP, passlib): then the server
    checks it, in threads of its own. ``password_stamp`` is for other kinds: any text that changes with the password.
    When either changes, every session and grant of the person ends.
    """

    sub: str
    username: str
    claims: Mapping[str, Any] = field(default_factory=dict)
    disabled: bool = False
    password_hash: str | None = field(default=None, repr=False)
    password_stamp: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        sub, name = self.sub, self.username
        if not isinstance(sub, str) or not 0 < len(sub) <= _LONGEST_SUB or not all("!" <= each <= "~" for each in sub):
            expected = f"1 to {_LONGEST_SUB} visible ASCII characters, such as str(row.id)"
            raise ValueError(f"Person.sub is {str(sub)[:80]!r} ({type(sub).__name__}); expected: {expected}")
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or "\0" in name:
            raise ValueError(f"Person.username of sub {sub} is not a text of 1 to {_LONGEST_NAME} characters")
        if reserved := sorted(RESERVED & self.claims.keys()):
            raise ValueError(f"Person.claims of sub {sub} hold {', '.join(reserved)}, which the server alone says")


class Accounts(Protocol):
    """Your users table: with this, nobody else can sign in. It has ``verify_password`` too (``ChecksPasswords``)
    where ``Person.password_hash`` is not of a kind the server reads."""

    def by_login(self, login: str) -> Person | Awaitable[Person | None] | None:
        """Whom this belongs to, typed into the login form (up to 255 characters): a name, an e-mail address."""

    def by_sub(self, sub: str) -> Person | Awaitable[Person | None] | None:
        """The same person later: asked for each code, refresh, UserInfo and introspection. None: they are gone."""


@runtime_checkable
class ChecksPasswords(Protocol):
    """``Accounts`` that check passwords themselves."""

    def verify_password(self, person: Person | None, password: str) -> bool | Awaitable[bool]:
        """Whether it is theirs. ``person`` is None for a name that nobody has: take as long as for somebody, so that
        time does not tell who exists. ``check_hash(None, password)`` takes as long as one of our own hashes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsAsked:
    """A document about to be signed or told. ``sub`` is the person's own (None: a client for itself), also where this
    client is told another one (pairwise); ``audience`` is empty but for access tokens."""

    document: Literal["access_token", "id_token", "userinfo"]
    client_id: str
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    sub: str | None
    username: str | None
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentAsked:
    """A person, signed in, at an app's request. ``configured`` is the client's own setting, ``allowed_before`` whether
    what they allowed this app before covers all of it."""

    client_id: str
    sub: str
    username: str
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    configured: Literal["ask", "skip"]
    allowed_before: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A committed line of the audit: ``event`` is a word of docs/events.md, ``at`` in Unix seconds. ``writer`` and
    ``seq`` name the line."""

    at: float
    event: str
    client_id: str | None
    sub: str | None
    detail: Mapping[str, Any]
    writer: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """All of them; each is optional. ``seconds`` bounds one call (not in dev, where a debugger may hold it),
    ``threads`` how many ordinary functions run at once.

    ``claims`` adds to tokens and UserInfo; what is ``RESERVED`` or already there is logged and left out. ``consent``:
    "skip" shows no consent page, "ask" shows one unless the person allowed the same before, "require" always, None is
    as configured; a client that sends prompt=consent is obeyed in any case. ``events`` is told what was committed by
    this process, one after another; what it raises is logged.

    Where any other hook fails or takes too long the request is answered with 503, and nothing has been decided.
    """

    accounts: Accounts | None = None
    claims: Callable[[ClaimsAsked], Mapping[str, Any] | Awaitable[Mapping[str, Any]]] | None = None
    consent: Callable[[ConsentAsked], Policy | Awaitable[Policy | None] | None] | None = None
    events: Callable[[Event], Awaitable[None] | None] | None = None
    seconds: float = 5.0
    threads: int = 8
