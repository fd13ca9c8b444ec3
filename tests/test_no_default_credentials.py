"""No code path makes a credential from a constant, except the seed of ``idp dev``; and nothing is there at a start.

The walk looks at every value that goes into something named after a credential, in the source and in the files the
package brings along.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.serving import serving
from test_shape import files

from idp.control.operations import run

ROOT = Path(__file__).parent.parent
CREDENTIALS = {"password", "password_hash", "secret", "client_secret", "secret_hash", "secret_hashes"}
CREDENTIALS |= {"client_secret_hashes", "key_encryption_key", "refresh_token", "access_token", "cookie"}
# People and apps of this machine alone, and those of the conformance suite (test_cli_conformance.py: in a folder of
# their own, never without a banner).
SEEDS = {
    "idp/cli/dev_seed.toml",
    "examples/bff/idp.toml",
    "examples/mounted/clients.toml",
    "examples/sso/demo.toml",
    "idp/cli/conformance_seed.toml",
}
SEED_READERS = {"cli/dev.py", "testing/seed.py"}
PROFILE_READERS = {"cli/conformance.py"}
# None is ever a credential: nobody's password, kept nowhere; what stands in for one too long; hints; a column.
HARMLESS = {
    ("accounts/passwords.py", "nobody has this password"),
    ("accounts/passwords.py", "too long to be anyone's"),
    ("manifest.py", "write client_secret, or better client_secret_file"),
    ("manifest.py", "write client_secret_file, or client_secret_hashes"),
    (
        "manifest_csv.py",
        "import hashes: name the column password_hash, or --map password_hash=password if it holds them",
    ),
    ("protocol/token_exchange.py", "urn:ietf:params:oauth:token-type:access_token"),
    ("store/django_users.py", "password"),
}


def constants(path: str, text: str) -> Iterator[str]:
    """Every non-empty text given to a name, member, argument or key that is called like a credential."""
    for node in ast.walk(ast.parse(text)):
        pairs: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.keyword):
            pairs = [(node.arg or "", node.value)]
        elif isinstance(node, ast.Assign):
            pairs = [(name, value) for target in node.targets for name, value in assigned(target, node.value)]
        elif isinstance(node, ast.AnnAssign):
            pairs = assigned(node.target, node.value)
        elif isinstance(node, ast.Dict):
            keys = [key.value if isinstance(key, ast.Constant) else "" for key in node.keys]
            pairs = [(str(key), value) for key, value in zip(keys, node.values, strict=True)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "hash":
            pairs = [("password", value) for value in node.args]
        for name, value in pairs:
            given = value.value if isinstance(value, ast.Constant) else None
            credential = name.lower() in CREDENTIALS and isinstance(given, str | bytes) and given
            if credential and (path, given) not in HARMLESS:
                yield f"idp/{path}: {name} = {given!r}"


def assigned(target: ast.expr, value: ast.expr | None) -> list[tuple[str, ast.expr | None]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return [pair for one, other in zip(target.elts, value.elts, strict=True) for pair in assigned(one, other)]
    name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
    return [(name, value)]


def test_no_credential_is_a_constant() -> None:
    found = [line for source in files() for line in constants(source.path, source.text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "add(server, password='changeme')",
        "client.secret = 'letmein'",
        "member, password = 'root', 'admin'",
        "put({'client_secret': 'x'})",
        "pool.hash('admin')",
        "class A:\n    password: str = 'admin'",
    ],
)
def test_such_a_constant_would_be_seen(text: str) -> None:
    assert list(constants("control/people.py", text))


def test_only_the_seed_of_dev_brings_passwords_along() -> None:
    found = [path for folder in ("idp", "examples", "templates") for path in (ROOT / folder).rglob("*.toml")]
    brought = [path for path in found if "node_modules" not in path.parts]
    assert brought
    for path in brought:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        held = any(CREDENTIALS & set(entry) for section in ("people", "clients") for entry in tables.get(section, []))
        assert not held or path.relative_to(ROOT).as_posix() in SEEDS, path
    readers = {source.path for source in files() if "dev_seed" in source.text}
    assert readers == SEED_READERS
    assert {source.path for source in files() if "conformance_seed" in source.text} == PROFILE_READERS


@pytest.mark.anyio
async def test_an_installation_starts_with_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path) as (application, _):
        assert (await run(application.server, "user.list", {}))["people"] == []
        assert (await run(application.server, "client.list", {}))["clients"] == []
