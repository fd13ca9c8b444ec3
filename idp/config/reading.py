"""Turns loose values (TOML, environment text, options) into a frozen Struct, or says all that is wrong.

Works from the Struct's own annotations, so a name, its type, its bounds and its meaning are written once.
A leaf, shared by the settings and the apply file.
"""

from __future__ import annotations

import functools
import re
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from .problems import Problem, quoted, unknown_name
from .toml_source import Place, TomlSource

T = TypeVar("T", bound=msgspec.Struct)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)", re.ASCII)
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}


class Secret:
    """Text that no message, log or repr shows; ``reveal()`` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Field(typing.NamedTuple):
    """One member of a Struct, by its public name, with what its annotation says about it."""

    name: str
    annotation: Any
    default: Any
    required: bool
    meta: msgspec.Meta | None

    @property
    def unit(self) -> str:
        return str((self.meta.extra or {}).get("unit", "")) if self.meta else ""

    @property
    def secret(self) -> bool:
        return bool(self.meta and (self.meta.extra or {}).get("secret"))

    @property
    def meaning(self) -> str:
        return (self.meta.description or "") if self.meta else ""

    @property
    def nested(self) -> type[msgspec.Struct] | None:
        """The Struct this member is, when it is one (also ``Struct | None``)."""
        for kind in _alternatives(self.annotation):
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                return kind
        return None

    @property
    def type_name(self) -> str:
        """The type in an operator's words, for documentation and for what a message expected."""
        if self.unit == "seconds":
            return 'seconds or text such as "5m", "24h", "90d"'
        return " or ".join(_words(kind) for kind in _alternatives(self.annotation))


class Report:
    """Collects problems found in one source, so that the operator hears of all of them at once."""

    def __init__(self, source: TomlSource) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def add(self, place: Place, *, rule: str, received: str, expected: str, mend: str) -> None:
        line = self.source.line(place)
        self.problems.append(
            Problem(rule=rule, received=received, expected=expected, mend=mend, where=self.source.name, line=line)
        )

    def add_problem(self, place: Place, problem: Problem, member: str = "") -> None:
        """A problem found by a check that knows no file."""
        rule = f"{member}: {problem.rule}" if member else problem.rule
        line = self.source.line(place)
        self.problems.append(msgspec.structs.replace(problem, rule=rule, where=self.source.name, line=line))

    def unknown(self, kind: str, name: str, known: Sequence[str], place: Place, mend: str | None = None) -> None:
        problem = unknown_name(kind, name, known)
        self.add(
            place,
            rule=problem.rule,
            received=problem.received,
            expected=problem.expected,
            mend=mend or problem.mend,
        )

    def bad_value(self, field: Field, value: Any, error: msgspec.ValidationError, place: Place) -> None:
        """``error`` may name an element inside ``value``; that element's line is told."""
        reason, _, path = str(error).partition(" - at `$")
        for index in map(int, re.findall(r"\[(\d+)\]", path)):
            if isinstance(value, list) and index < len(value):
                value, place = value[index], (*place, index)
        self.add(
            place,
            rule=refused_rule(".".join(map(str, place)), field),
            received="(hidden)" if field.secret else quoted(value),
            expected=f"{field.type_name} ({uncapitalised(reason)})",
            mend=f"correct {field.name}",
        )

    def missing(self, name: str, field: Field, place: Place) -> None:
        self.add(
            place,
            rule=f"{name} is required",
            received="nothing",
            expected=field.type_name,
            mend=f"add the line {name} = ...",
        )


def uncapitalised(reason: str) -> str:
    """msgspec's sentence as it reads inside another one."""
    return f"{reason[:1].lower()}{reason[1:]}"


def refused_rule(name: str, field: Field) -> str:
    """What a value breaks: the name with its meaning."""
    return f"{name}: {field.meaning}" if field.meaning else f"{name} must be {field.type_name}"


@functools.cache
def fields(struct: type[msgspec.Struct]) -> tuple[Field, ...]:
    """The members of ``struct`` in order, with their annotations resolved (0.3 ms, so once for each struct)."""
    hints = get_type_hints(struct, include_extras=True)
    found = []
    for info in msgspec.structs.fields(struct):
        default = info.default_factory() if info.default_factory is not msgspec.NODEFAULT else info.default
        found.append(Field(info.encode_name, hints[info.name], default, info.required, _meta(hints[info.name])))
    return tuple(found)


def read_struct(
    struct: type[T],
    table: Mapping[str, Any],
    report: Report,
    place: Place = (),
    *,
    kind: str = "name",
    hints: Mapping[str, str] | None = None,
    not_ours: Collection[str] = (),
    also: Collection[str] = (),
) -> T | None:
    """Build ``struct`` from ``table``, or return None after telling ``report`` why not.

    An unknown name is told and passed over, so that one reading finds all that is wrong: look at
    ``report.problems`` before using it. ``hints`` gives the mending sentence for names people may write
    in error, ``not_ours`` the members a file cannot set, ``also`` the names that the caller reads itself.
    """
    known = {field.name: field for field in fields(struct) if field.name not in not_ours}
    values: dict[str, Any] = {}
    sound = True
    for name, value in table.items():
        here = (*place, name)
        if name not in known:
            report.unknown(kind, name, (*known, *also), here, (hints or {}).get(name))
            continue
        nested = known[name].nested
        if nested is not None and isinstance(value, Mapping):
            values[name] = read_struct(nested, value, report, here, kind=f"name in {name}")
            sound = sound and values[name] is not None
            continue
        try:
            values[name] = convert(value, known[name])
        except msgspec.ValidationError as error:
            report.bad_value(known[name], value, error, here)
            sound = False
    for name, field in known.items():
        if field.required and name not in table:
            report.missing(name, field, place)
            sound = False
    return struct(**values) if sound else None


def convert(value: Any, field: Field, *, from_text: bool = False) -> Any:
    """One value as its member's type; ``from_text`` reads a variable or an option. Raises ValidationError."""
    if field.unit == "seconds":
        value = as_seconds(value)
    if from_text and isinstance(value, str):
        value = _from_text(value, field)
    return msgspec.convert(value, field.annotation, strict=not from_text, dec_hook=_build)


def as_seconds(value: Any) -> Any:
    """``"5m"`` as 300; anything that is no such text comes back as it is, for its type to judge."""
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(found[1]) * _UNITS[found[2] or "s"] if found else value


def _from_text(text: str, field: Field) -> Any:
    for kind in _alternatives(field.annotation):
        origin = get_origin(kind)
        if origin is tuple:
            return [part.strip() for part in text.split(",") if part.strip()]
        if origin is dict:
            pairs = [part.partition("=") for part in text.split(",") if part.strip()]
            return {name.strip(): value.strip() for name, _, value in pairs}
    return text


def _build(kind: type, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    if kind in (Path, Secret) and isinstance(value, str) and value:
        return kind(value)
    raise msgspec.ValidationError(f"expected text, got {type(value).__name__}")


def _meta(annotation: Any) -> msgspec.Meta | None:
    found = [item for item in getattr(annotation, "__metadata__", ()) if isinstance(item, msgspec.Meta)]
    if not found:
        return None
    said = {key: value for item in found for key, value in (item.extra or {}).items()}
    meaning = next((item.description for item in reversed(found) if item.description), None)
    return msgspec.Meta(description=meaning, extra=said)


def _alternatives(annotation: Any) -> list[Any]:
    """The types of ``A | B`` without None and without annotations."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        return [kind for part in get_args(annotation) if part is not type(None) for kind in _alternatives(part)]
    return [annotation]


def _words(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is typing.Literal:
        return " or ".join(f'"{value}"' for value in arguments)
    if origin is tuple:
        return f"list of {' or '.join(_words(part) for part in _alternatives(arguments[0]))}"
    if origin is dict:
        return "table of text"
    return _WORDS.get(kind, "text")
