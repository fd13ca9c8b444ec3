"""Where the source decides by mode: each place is the power it gives to ``idp dev``, tried in ``test_dev_only.py``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "idp"

# Every place that looks at the mode, and the power it holds or what else it is for.
DECISIONS = {
    "app.py Application.__init__": "sample_resource, foreign_host_refused",
    "app.py build": "an app's hooks may take their time, as a debugger holds them",
    "app.py key_encryption_ring": "makes_its_key",
    "app.py make_server": "http_to_this_machine",
    "app.py prepare": "makes_its_schema; the audit line of the start",
    "cli/desk.py Desk.mode": "which settings a command reads",
    "cli/desk.py Desk.settings": "which settings a command reads",
    "cli/dev.py dev": "seeded people",
    "cli/group.py <module>": "the name of the command",
    "cli/token.py token": "which command is proposed next",
    "cli/user.py add_user": "which command is proposed next",
    "control/deployment.py deploy_checks": "idp check",
    "control/registration.py add_token": "registration.mode: says that nobody can use it yet",
    "control/watching.py info": "told to commands",
    "features/registration.py _is_on": "registration.mode: whether there is registration",
    "features/client_documents.py <lambda>": "not that mode: which documents count",
    "features/dev_token.py <lambda>": "token_page",
    "features/sample.py <lambda>": "sample_resource",
    "server.py Server.dev": "the question itself",
    "settings.py <module>": "its two values",
    "settings.py load": "password_exchange, and defaults that serve lacks",
    "settings_client_documents.py client_document_problems": "not that mode: which documents count",
    "settings_deploy.py _findings": "idp check",
    "settings_deploy.py _key_encryption": "idp check",
    "settings_network.py _listening": "dev binds loopback",
    "settings_network.py reach": "http_to_this_machine, when an address is registered",
    "settings_rules.py combination_problems": "dev is a loopback issuer",
    "testing/seed.py test_settings": "tests run in dev",
    "web/client_documents.py _inadmissible": "documents on this machine",
    "web/health.py _of_database": "a lesson's clock is moved, so it is not compared",
    "web/refusals.py show": "developer_panel",
    "web/registration.py _initial_token": "registration.mode: whether a token is needed",
}


def decisions() -> Iterator[str]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield from (f"{path.relative_to(SOURCE).as_posix()} {name}" for name in _deciding(ast.parse(path.read_text())))


def _deciding(node: ast.AST, inside: str = "<module>") -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        inside = f"{inside}.{node.name}".removeprefix("<module>.")
    elif isinstance(node, ast.Lambda):
        inside = "<lambda>"
    elif (isinstance(node, ast.Attribute) and node.attr in ("mode", "dev")) or (
        isinstance(node, ast.Constant) and node.value == "dev"
    ):
        yield inside
    for child in ast.iter_child_nodes(node):
        yield from _deciding(child, inside)


def test_every_decision_by_mode_is_known() -> None:
    assert set(decisions()) == set(DECISIONS)


def test_only_commands_read_the_environment() -> None:
    readers = {
        path.relative_to(SOURCE).parts[0]
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")
    }
    # watch: where workers add up their metrics, which the parent decides. mounting: an app has no command line.
    assert readers == {"cli", "mounting.py", "watch"}
