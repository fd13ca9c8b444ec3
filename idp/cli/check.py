"""``idp check``: whether the settings are sound, and with ``--deploy`` what is missing before going live."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import click
import msgspec

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.config.problems import ConfigurationError
from idp.settings_profiles import told


@click.command()
@click.option("--deploy", is_flag=True, help="Everything that separates a lesson from a production server.")
@pass_desk
def check(desk: Desk, deploy: bool) -> int:
    """Check the settings. Exit status 1 when something is missing."""
    settings = desk.settings()
    where = str(desk.settings_file) if desk.settings_file else "no settings file: those of idp dev"
    if not deploy:
        say.line(f"the settings are sound ({where})")
        say.line(f"  issuer    {settings.issuer}")
        say.line(f"  data_dir  {settings.data_dir}")
        if settings.profile != "none":
            say.line(f"  profile   {settings.profile}")
            for name, value, changed in told(settings):
                say.line(f"    {name} = {value}{' (the profile says otherwise)' if changed else ''}")
        say.next_commands(("idp check --deploy", "is it ready for others?"))
        return 0
    from idp.settings_deploy import deploy_findings

    found = _merged(map(msgspec.structs.asdict, deploy_findings(settings)), _of_the_server(desk))
    for item in found:
        _show(item)
    missing = sum(not item["ok"] for item in found)
    if missing:
        say.line(f"\n{missing} of {len(found)} checks fail")
        say.next_commands(("idp check --deploy", "again, until all is green"))
        return 1
    say.line(f"\nall {len(found)} checks pass")
    say.next_commands(("idp serve", "go live"))
    return 0


def _merged(*lists: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line for each name; where the settings and the running server judge the same, a failure wins."""
    found: dict[str, dict[str, Any]] = {}
    for item in chain(*lists):
        if item["check"] not in found or not item["ok"]:
            found[item["check"]] = item
    return list(found.values())


def _of_the_server(desk: Desk) -> list[dict[str, Any]]:
    """The parts that run; where they cannot even start, that is one more finding."""
    from idp.control import ControlError

    try:
        return list(desk.call("deploy_check")["checks"])
    except ControlError as error:
        return [
            {
                "check": "database and keys",
                "ok": False,
                "found": error.received or error.rule,
                "expected": error.expected or error.rule,
                "mend": error.mend,
            }
        ]
    except ConfigurationError as error:
        first = error.problems[0]
        return [
            {
                "check": "database and keys",
                "ok": False,
                "found": first.received,
                "expected": first.expected,
                "mend": first.mend,
            }
        ]


def _show(item: dict[str, Any]) -> None:
    mark = click.style("ok  ", fg="green") if item["ok"] else click.style("FAIL", fg="red", bold=True)
    say.line(f"{mark}  {item['check']}: {say.printable(item['found'])}")
    if not item["ok"]:
        say.line(f"      expected  {say.printable(item['expected'])}")
        say.line(f"      mend      {say.printable(item['mend'])}")
