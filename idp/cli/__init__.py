"""Owns the command line: what an operator types, what is printed, which command is useful next. It decides
nothing: ``idp.control`` makes every change, in the running server or, with none running, in this process.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The console script ``idp``. Exit status: 0 done, 1 refused or not valid, 2 not understood."""
    try:
        import click  # noqa: F401 - the base install, meant for resource servers, has no commands
    except ModuleNotFoundError:
        sys.stderr.write("the commands need the server's parts\n  mend      pip install 'idp[server]'\n")
        sys.exit(2)
    from idp.cli.group import run

    sys.exit(run(sys.argv[1:]))
