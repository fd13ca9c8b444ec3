"""What the files of an installation say, read as data: Dockerfile, compose file, chart."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from idp.cli.group import commands
from idp.settings import RESERVED_VARIABLES
from idp.settings_described import describe

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "deploy" / "helm" / "idp"
VARIABLES = {row.variable for row in describe()} | set(RESERVED_VARIABLES)


def instructions(path: Path = ROOT / "Dockerfile") -> Iterator[tuple[str, str]]:
    """(instruction, rest), continued lines joined."""
    text = re.sub(r"\\\n", " ", path.read_text())
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.strip().partition(" ")
            yield word, rest.strip()


def words(text: str) -> list[str]:
    """An exec form or a shell form as its words."""
    return list(map(str, json.loads(text))) if text.startswith("[") else shlex.split(text)


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def rendered() -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all((CHART.parent / "rendered.yaml").read_text()) if found]


def accept(arguments: Sequence[str]) -> None:
    """Parse a command line as ``idp`` would, without running it. Raises click.ClickException for a wrong one."""
    group: click.Command = commands
    context = click.Context(commands, info_name="idp")
    rest = list(arguments)
    while isinstance(group, click.Group):
        context = group.make_context(context.info_name, rest, parent=context.parent, resilient_parsing=False)
        name, found, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        if found is None or name is None:
            raise click.UsageError(f"no command {rest}")
        group, context = found, click.Context(found, info_name=name, parent=context)
    group.make_context(context.info_name, rest, parent=context.parent)


def unknown_variables(environment: Mapping[str, Any]) -> set[str]:
    return {name for name in environment if name.startswith("IDP_")} - VARIABLES
