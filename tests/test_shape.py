"""The shape the design promises, read from the source: imports point one way, the protocol is pure, and more.

Rules are data at the top; one function each yields a sentence per offence, and a table below shows that
every rule can be broken.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINES = 300

# Each may import itself, what stands before it, and the leaves. `settings_rules` is part of `settings`.
ORDER = (
    "jose",
    "protocol",
    "diagnosis",
    "manifest",
    "store",
    "keyring",
    "server",
    "sector",
    "accounts",
    "hooks",
    "grants",
    "web",
    "features",
    "jobs",
    "watch",
    "app",
    "control",
    "mounting",
    "serving",
    "testing",
    "cli",
)
# Whoever wants may import these; what each of them may import in turn.
LEAVES = {
    "config": set[str](),
    "settings": {"config"},
    "outbound": {"config", "settings"},
    "admission": set[str](),
    "verify": {"jose"},
}
# A package outside the standard library, and the only parts that may know it.
KNOWN_ONLY_TO = {
    "starlette": {"web", "features", "watch", "app", "mounting", "testing"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "uvicorn": {"serving", "cli", "testing"},
    "click": {"cli"},
    "jinja2": {"web"},
    "httpx2": {"outbound", "cli", "testing"},
    "httpcore2": {"outbound"},
    "argon2": {"accounts"},
    "bcrypt": {"accounts"},
    "zxcvbn_rs_py": {"accounts"},
    "babel": {"web"},
    "prometheus_client": {"watch"},
    "opentelemetry": {"watch"},
}
BASE_INSTALL = {"cryptography", "joserfc"}  # all that jose and verify may need
# What fits the verifier to a framework, and the framework that it alone may import.
ADAPTERS = {
    "verify/drf.py": {"django", "rest_framework"},
    "verify/fastapi.py": {"fastapi", "starlette"},
    "verify/flask.py": {"flask"},
    "verify/starlette.py": {"starlette"},
}
IMPURE = {"asyncio", "os", "pathlib", "random", "secrets", "socket", "sqlite3", "ssl", "threading", "time"}
# The present and chance come in as arguments; a default argument is where they may be named.
GIVEN_FROM_OUTSIDE = {
    "time": {"time", "time_ns", "monotonic", "sleep"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "secrets": {"token_bytes", "token_hex", "token_urlsafe", "randbelow", "choice"},
    "os": {"urandom"},
    "random": {"random", "randint", "choice", "randbytes"},
    "uuid": {"uuid1", "uuid4"},
}
WIRING = {"app", "cli", "testing"}


@dataclass(frozen=True)
class Source:
    """One file of ``idp``; ``part`` is the piece of the design it belongs to."""

    path: str  # inside the package: web/forms.py
    text: str

    @property
    def part(self) -> str:
        name = self.path.split("/")[0].removesuffix(".py")
        return name.split("_")[0] if "/" not in self.path and not name.startswith("_") else name

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def imports(self) -> Iterator[str]:
        """Absolute dotted names, relative ones resolved; each name imported from a module is below it."""
        package = ["idp", *self.path.split("/")[:-1]]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                yield from (f"{base}.{alias.name}" for alias in node.names)


def files() -> list[Source]:
    found = sorted((ROOT / "idp").rglob("*.py"))
    return [Source(p.relative_to(ROOT / "idp").as_posix(), p.read_text(encoding="utf-8")) for p in found]


def direction(source: Source) -> Iterator[str]:
    if source.path == "__init__.py":
        yield from (f"imports {name}: it stays light" for name in source.imports() if name.startswith("idp."))
        return
    if source.part not in ORDER and source.part not in LEAVES:
        yield f"{source.part} has no place in ORDER or LEAVES"
        return
    allowed = {source.part, "__version__"} | (
        LEAVES[source.part]
        if source.part in LEAVES
        else {*ORDER[: ORDER.index(source.part)], *LEAVES}
    )
    for name in source.imports():
        if name.startswith("idp.") and Source(name.split(".")[1] + ".py", "").part not in allowed:
            yield f"imports {name}, which stands after it"


def packages(source: Source) -> Iterator[str]:
    own = ADAPTERS.get(source.path, set[str]())
    if not own:
        adapters = tuple(f"idp.{path.removesuffix('.py').replace('/', '.')}." for path in ADAPTERS)
        for name in source.imports():
            if f"{name}.".startswith(adapters):
                yield f"imports {name}, which needs its framework"
    for name in {name.split(".")[0] for name in source.imports()} - {"idp", "__future__"} - own:
        if name in KNOWN_ONLY_TO and source.part not in KNOWN_ONLY_TO[name]:
            yield f"imports {name}, which only {', '.join(sorted(KNOWN_ONLY_TO[name]))} may know"
        if source.part in ("jose", "verify") and name not in BASE_INSTALL | sys.stdlib_module_names:
            yield f"imports {name}, which the base install lacks"


def purity(source: Source) -> Iterator[str]:
    if source.part != "protocol":
        return
    yield from (f"imports {name}" for name in source.imports() if name.split(".")[0] in IMPURE)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"line {node.lineno} is asynchronous"


def injection(source: Source) -> Iterator[str]:
    if source.part in WIRING:
        return
    seams = set(_seams(source.tree))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node not in seams:
            value = node.value
            owner = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
            if node.attr in GIVEN_FROM_OUTSIDE.get(owner, ()):
                yield f"line {node.lineno} reads {owner}.{node.attr} itself"


def _seams(tree: ast.Module) -> Iterator[ast.AST]:
    """Defaults of arguments and of class fields: whoever builds the thing may replace them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            yield from (default for default in [*node.defaults, *node.kw_defaults] if default is not None)
        elif isinstance(node, ast.ClassDef):
            yield from (line.value for line in node.body if isinstance(line, ast.AnnAssign) and line.value)


def habits(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assert):
            yield f"line {node.lineno}: an assert vanishes under python -O, raise instead"
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id == "print" and source.part != "cli":
            yield f"line {called.lineno} prints"
    length = source.text.count("\n")
    if length > LINES:
        yield f"has {length} lines, {LINES} are the most"
    if source.path.endswith("__init__.py") and not ast.get_docstring(source.tree):
        yield "does not open with the sentence that says what the package owns"


RULES: tuple[Callable[[Source], Iterator[str]], ...] = (direction, packages, purity, injection, habits)


def broken_rules(source: Source) -> list[str]:
    return [f"idp/{source.path} {sentence}" for rule in RULES for sentence in rule(source)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule: Callable[[Source], Iterator[str]]) -> None:
    broken = [f"idp/{source.path} {sentence}" for source in files() for sentence in rule(source)]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("store/codes.py", "from idp.web import forms", "stands after it"),
        ("store/codes.py", "from ..web.forms import read_form", "stands after it"),
        ("jose/keys.py", "import idp.protocol.client", "stands after it"),
        ("settings_rules.py", "from .web import pages", "stands after it"),
        ("verify/claims.py", "from idp.settings import Settings", "stands after it"),
        ("nowhere.py", "", "has no place"),
        ("__init__.py", '"""Light."""\nfrom .server import Server', "it stays light"),
        ("grants/code.py", "from starlette.requests import Request", "only app, features, mounting, testing, watch"),
        ("web/token.py", "import sqlalchemy as sa", "only store"),
        ("verify/fetch.py", "import msgspec", "the base install lacks"),
        ("verify/flask.py", "import starlette", "the base install lacks"),
        ("verify/__init__.py", '"""x"""\nfrom .flask import Protection', "needs its framework"),
        ("protocol/checks.py", "import time", "imports time"),
        ("protocol/checks.py", "from os import urandom", "imports os.urandom"),
        ("protocol/checks.py", "async def check(): ...", "is asynchronous"),
        ("web/token.py", "import time\ndef now():\n    return time.time()", "line 3 reads time.time itself"),
        ("web/token.py", "import datetime\nx = datetime.datetime.now()", "reads datetime.now itself"),
        ("web/token.py", "import secrets\nmake(secrets.token_bytes)", "reads secrets.token_bytes itself"),
        ("web/token.py", "def f(x):\n    assert x", "line 2: an assert"),
        ("web/token.py", "print('hello')", "line 1 prints"),
        ("web/token.py", "x = 1\n" * 301, "has 301 lines"),
        ("web/__init__.py", "", "does not open with"),
    ],
)
def test_every_rule_can_be_broken(path: str, text: str, said: str) -> None:
    assert any(said in sentence for sentence in broken_rules(Source(path, text)))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("web/token.py", "from idp.verify import Verifier\nfrom idp import settings\nimport starlette"),
        ("verify/verifier.py", "import time\nclass V:\n    def __init__(self, *, clock=time.time): ..."),
        ("keyring/keyring.py", "import time\nclass K:\n    clock: object = time.time"),
        ("cli/dev.py", "import time\nprint(time.time())"),
        ("settings_rules.py", "from .config.problems import Problem\nfrom .settings import Settings"),
        ("verify/flask.py", "from flask import g\nfrom .verifier import Verifier"),
    ],
)
def test_what_is_allowed_passes(path: str, text: str) -> None:
    assert broken_rules(Source(path, text)) == []
