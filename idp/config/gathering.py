"""Values by dotted name from a file, the environment and options, each with the place it came from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from .problems import ConfigurationError, Problem, unknown_name
from .reading import Field, Report, convert, refused_rule, uncapitalised
from .toml_source import TomlSource, read_toml


class Gathered:
    """``values`` holds what was given, later sources winning; ``problems`` all that was wrong with it."""

    def __init__(
        self,
        known: Mapping[str, Field],
        variable_of: Callable[[str], str],
        *,
        not_in_file: Collection[str] = (),
        reserved: Callable[[str], bool] = lambda variable: False,
    ) -> None:
        self.values: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self._known = known
        self._variable_of = variable_of
        self._not_in_file = not_in_file
        self._reserved = reserved
        self._origin: dict[str, tuple[str, int | None]] = {}

    def take_file(self, path: Path) -> None:
        """One TOML file. Relative paths in it are seen from its own folder."""
        try:
            source = read_toml(path)
        except ConfigurationError as error:
            self.problems += error.problems
            return
        report = Report(source)
        self._take_table(source.tables, "", report, path.parent)
        self.problems += report.problems

    def take_environment(self, environ: Mapping[str, str], prefix: str) -> None:
        """Every variable that begins with ``prefix``; an empty one is not set, as compose files write it."""
        names = {self._variable_of(name): name for name in self._known}
        for variable in sorted(name for name in environ if name.startswith(prefix)):
            if self._reserved(variable) or not environ[variable]:
                continue
            if variable in names:
                self._take_text(names[variable], environ[variable], f"environment variable {variable}")
            else:
                self.problems.append(
                    unknown_name("variable", variable, tuple(names), "environment", f"unset {variable}")
                )

    def take_options(self, options: Mapping[str, Any]) -> None:
        for name, value in options.items():
            if value is not None:
                self._take_text(name, value, f"option --{name.rpartition('.')[2].replace('_', '-')}")

    def require(self, names: Iterable[str], values: Mapping[str, Any], path: Path | None) -> None:
        """Refuse the absence of ``names``, unless the reason is a refused value that was already told."""
        for name in names:
            if name in values or any(problem.rule.startswith(f"{name}:") for problem in self.problems):
                continue
            self.problems.append(
                Problem(
                    rule=f"{name} is required: {self._known[name].meaning}",
                    received="nothing",
                    expected=self._known[name].type_name,
                    mend=f"add {name} = ... to {path or 'a settings file'}, or set {self._variable_of(name)}",
                    where=str(path or ""),
                )
            )

    def placed(self, name: str, problem: Problem) -> Problem:
        """``problem`` with the place where the value called ``name`` was given."""
        where, line = self._origin.get(name, ("", None))
        return msgspec.structs.replace(problem, where=where, line=line)

    def _take_table(self, table: Mapping[str, Any], group: str, report: Report, folder: Path) -> None:
        groups = {name.partition(".")[0] for name in self._known if "." in name}
        members = [name.removeprefix(f"{group}.") for name in self._known if name.startswith(f"{group}.")]
        for key, value in table.items():
            name = f"{group}.{key}" if group else key
            place = tuple(name.split(".", 1)) if group else (key,)
            if not group and key in groups and isinstance(value, Mapping):
                self._take_table(value, key, report, folder)
            elif name in self._not_in_file:
                self._outcast(name, report)
            elif name in self._known and (group or "." not in key):
                self._take_written(name, value, report, place, folder)
            elif group:
                report.unknown(f"setting in {group}", key, members, place)
            else:
                report.unknown("setting", key, [*dict.fromkeys(n.partition(".")[0] for n in self._known)], place)

    def _take_written(self, name: str, value: Any, report: Report, place: tuple[str, ...], folder: Path) -> None:
        try:
            kept = convert(value, self._known[name])
        except msgspec.ValidationError as error:
            report.bad_value(self._known[name], value, error, place)
            return
        source: TomlSource = report.source
        self._keep(name, folder / kept if isinstance(kept, Path) else kept, source.name, source.line(place))

    def _outcast(self, name: str, report: Report) -> None:
        report.add(
            (name,),
            rule=f"{name} does not belong in a file that is copied and committed",
            received="(hidden)",
            expected=f"the environment variable {self._variable_of(name)}",
            mend="take it out of this file",
        )

    def _take_text(self, name: str, value: Any, origin: str) -> None:
        field = self._known[name]
        try:
            kept = convert(value, field, from_text=True)
        except msgspec.ValidationError as error:
            received = "(hidden)" if field.secret else ascii(value)
            self.problems.append(
                Problem(
                    rule=refused_rule(name, field),
                    received=received,
                    expected=f"{field.type_name} ({uncapitalised(str(error))})",
                    mend=f"correct the {origin}",
                    where=origin,
                )
            )
            return
        self._keep(name, kept, origin, None)

    def _keep(self, name: str, value: Any, where: str, line: int | None) -> None:
        self.values[name] = value
        self._origin[name] = (where, line)
