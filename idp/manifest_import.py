"""People from another system, a row each: what its columns mean here, and what makes a row unfit.

Reading a CSV file is ``manifest_csv``'s, reading a Django database ``store.django_users``'s; here both are rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from idp.config.problems import quoted
from idp.config.reading import Report
from idp.config.toml_source import TomlSource
from idp.manifest_people import Address, read_person

# A column of this name becomes that member; `active` is `disabled` the other way round.
_FLAGS = ("email_verified", "phone_number_verified", "disabled", "active")
_ADDRESS = tuple(f"address.{name}" for name in Address.__struct_fields__)
_CLAIMS = (
    *("name", "given_name", "family_name", "middle_name", "nickname", "preferred_username"),
    *("profile", "picture", "website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale"),
    *("phone_number", "phone_number_verified"),
)
COLUMNS = ("username", "password_hash", "sub", *_CLAIMS, *_ADDRESS, "disabled", "active")

_TRUE, _FALSE = frozenset(("true", "t", "1", "yes", "y")), frozenset(("false", "f", "0", "no", "n"))
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Row(msgspec.Struct, frozen=True):
    """``place`` is how a person finds it again ("line 17", "id 17"); ``values`` by the source's own column names."""

    place: str
    values: Mapping[str, Any]


class Newcomer(msgspec.Struct, frozen=True, kw_only=True):
    """A person to add as they are to be stored. ``sub`` None lets the server choose."""

    username: str
    sub: str | None = None
    password_hash: str | None = None
    claims: dict[str, Any] = {}
    disabled: bool = False


class Unfit(ValueError):
    """Why a row cannot be taken, in one line without any secret."""


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """``columns``: our name -> the source's. ``sub`` is a template such as ``django:{id}``, {} their column."""

    columns: Mapping[str, str]
    sub: str | None = None
    full_name: bool = False

    def person(self, row: Row) -> Newcomer:
        """Raises Unfit with everything wrong in the row."""
        table = self._table(row.values)
        disabled = self._disabled(table)
        report = Report(_NO_FILE)
        person = read_person(table, report, (), Path())
        if person is None:
            raise Unfit("; ".join(_sentence(found) for found in report.problems))
        return Newcomer(
            username=person.username,
            sub=person.sub,
            password_hash=person.password_hash,
            claims=person.claims,
            disabled=disabled,
        )

    def _table(self, values: Mapping[str, Any]) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for ours, theirs in self.columns.items():
            value = values.get(theirs)
            if value is None or value == "":
                continue
            if ours in _FLAGS:
                table[ours] = _flag(ours, value)
            elif ours.startswith("address."):
                table.setdefault("address", {})[ours.removeprefix("address.")] = _text(ours, value, lines=True)
            else:
                table[ours] = _text(ours, value)
        if "username" not in table:
            raise Unfit("username: it is empty")
        if table.get("password_hash", "").startswith("!"):
            del table["password_hash"]  # Django's mark of an account without a password
        if self.sub is not None:
            table["sub"] = _PLACEHOLDER.sub(lambda found: _filled(found[1], values), self.sub)
        if self.full_name and "name" not in table:
            full = " ".join(table[part] for part in ("given_name", "family_name") if part in table)
            table |= {"name": full} if full else {}
        return table

    def _disabled(self, table: dict[str, Any]) -> bool:
        active, disabled = table.pop("active", True), table.pop("disabled", False)
        return bool(disabled or not active)


def placeholders(template: str) -> list[str]:
    """The columns a template for ``sub`` asks for."""
    return _PLACEHOLDER.findall(template)


_NO_FILE = TomlSource("", "")


def _flag(name: str, value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise Unfit(f"{name}: {quoted(str(value), 40)} is neither true nor false")
    return word in _TRUE


def _text(name: str, value: Any, *, lines: bool = False) -> str:
    text = str(value)
    found = _CONTROL.search(text.replace("\r", "").replace("\n", "") if lines else text)
    if found is not None:
        what = "a byte that is not UTF-8" if "\ud800" <= found[0] <= "\udfff" else f"the character {found[0]!a}"
        raise Unfit(f"{name}: it holds {what}")
    return text


def _filled(column: str, values: Mapping[str, Any]) -> str:
    value = values.get(column)
    if value is None or value == "":
        raise Unfit(f"sub: the column {column} is empty")
    return str(value)


def _sentence(problem: Any) -> str:
    return f"{problem.rule}: received {problem.received}, expected {problem.expected}"


class _Known(msgspec.Struct, frozen=True):
    place: str
    username: str
    sub: str | None
    email: str


class Roll:
    """Everybody here and every row so far; says who would be confused with whom.

    One person may not be two, nor two one: apps know people by ``sub``, people find themselves by name, and apps that
    join accounts by e-mail would give one person's to the other.
    """

    def __init__(self) -> None:
        self._names: dict[str, _Known] = {}
        self._subs: dict[str, _Known] = {}
        self._emails: dict[str, _Known] = {}
        self._here: dict[str, _Known] = {}

    def here(self, username: str, sub: str, email: str) -> None:
        """Somebody who is in the database already."""
        known = _Known("here", username, sub, email.casefold())
        self._here[username] = known
        self._note(known)

    def add(self, place: str, person: Newcomer) -> None:
        """Raises Unfit; who is unfit is not noted."""
        known = _Known(place, person.username, person.sub, str(person.claims.get("email", "")).casefold())
        same = self._here.get(person.username)
        if same is not None:
            self._refuse_another(same, known)
        else:
            self._refuse_twin(self._names.get(known.username.casefold()), known, "the user name", known.username)
        self._refuse_twin(self._subs.get(known.sub or ""), known, "sub", known.sub)
        self._refuse_twin(self._emails.get(known.email), known, "the e-mail address", known.email)
        self._here.pop(person.username, None)
        self._note(known)

    def _note(self, known: _Known) -> None:
        self._names[known.username.casefold()] = known
        if known.sub:
            self._subs[known.sub] = known
        if known.email:
            self._emails.setdefault(known.email, known)

    def _refuse_another(self, same: _Known, asked: _Known) -> None:
        """The same name is the same person if ``sub`` is, or, with none asked for, if the e-mail does not differ."""
        if asked.sub is not None and asked.sub != same.sub:
            raise Unfit(f"username: {quoted(asked.username)} is here already, with sub {same.sub} and not {asked.sub}")
        if asked.sub is None and asked.email and same.email and asked.email != same.email:
            raise Unfit(f"username: {quoted(asked.username)} is here already, with another e-mail address")

    def _refuse_twin(self, twin: _Known | None, asked: _Known, what: str, value: str | None) -> None:
        if twin is None or (twin.place == "here" and twin.username == asked.username):
            return
        case = "" if twin.username == asked.username or what != "the user name" else ", which differs in case only"
        whose = "somebody here" if twin.place == "here" else twin.place
        raise Unfit(f"{what} {quoted(value or '')} is that of {whose} ({quoted(twin.username)}{case})")
