"""Where the suite is. Without an address nothing here runs: the whole folder is one skipped test."""

from __future__ import annotations

import datetime
import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.generate import ALIAS, config, make_keys
from conformance.plans import BY_NAME
from conformance.suite import Module, Suite

OPTIONS = (
    ("--suite", "SUITE_BASE_URL", "address of a running conformance suite"),
    ("--issuer", "IDP_ISSUER", "the provider under test, in the profile conformance"),
    ("--alias", "ALIAS", "the alias its clients were registered with"),
    ("--suite-ca", "SUITE_CA_FILE", "PEM certificate the suite is trusted by"),
    ("--suite-token", "SUITE_TOKEN", "bearer token of a suite with logins"),
    ("--keys", "SUITE_KEYS", "folder of the keyed clients' keys, as generate.py makes it"),
    ("--plans", "SUITE_PLANS", "names of plans.py, by commas"),
    ("--rotate", "SUITE_ROTATE", "command that rotates the provider's keys, tried until it succeeds"),
    ("--only", "SUITE_ONLY", "run modules whose name holds this text"),
    ("--results", "SUITE_RESULTS", "folder to which one line a module is added"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    for name, variable, meaning in OPTIONS:
        group.addoption(name, default=os.environ.get(variable, ""), help=f"{meaning} [{variable}]")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each module of each plan: only the suite knows them, so the plans are made here."""
    if "module" not in metafunc.fixturenames:
        return
    found = []
    if metafunc.config.getoption("--suite"):
        suite = _suite(metafunc.config)
        for name in filter(None, metafunc.config.getoption("--plans").split(",")):
            plan_id, modules = _made(metafunc.config, suite, name)
            only = metafunc.config.getoption("--only")
            wanted = [module for module in modules if only in module.name]
            found += [pytest.param(name, plan_id, module, id=f"{name}:{module.id}") for module in wanted]
    metafunc.parametrize(("plan", "plan_id", "module"), found)


def _suite(asked: pytest.Config) -> Suite:
    ca = asked.getoption("--suite-ca")
    return Suite(asked.getoption("--suite"), Path(ca) if ca else None, asked.getoption("--suite-token") or None)


def _made(asked: pytest.Config, suite: Suite, name: str) -> tuple[str, list[Module]]:
    plan = BY_NAME[name]
    keys = make_keys(Path(asked.getoption("--keys"))) if plan.clients == "keys" else {}
    issuer, alias = asked.getoption("--issuer"), asked.getoption("--alias") or ALIAS
    filled = config(plan, issuer, suite.base_url, alias, keys)
    return suite.new_plan(plan.plan, plan.variant, filled)


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest) -> Suite:
    return _suite(request.config)


@pytest.fixture(scope="session")
def rotate(request: pytest.FixtureRequest) -> Callable[[], None]:
    """A waiting key signs only once every cache can hold it, so the command is given again for a while."""
    command = shlex.split(request.config.getoption("--rotate"))

    def until_done() -> None:
        end = time.monotonic() + 30
        while command and subprocess.run(command, capture_output=True).returncode and time.monotonic() < end:
            time.sleep(1)

    return until_done


@pytest.fixture(scope="session")
def record(request: pytest.FixtureRequest, suite: Suite) -> Iterator[Callable[..., None]]:
    """Adds one line a module to ``--results``, from which RESULTS.md is written."""
    folder = request.config.getoption("--results")
    if not folder:
        yield lambda **line: None
        return
    now = datetime.datetime.now(datetime.UTC)
    file = Path(folder) / f"{now:%Y%m%d-%H%M%S}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:

        def write(**line: object) -> None:
            out.write(json.dumps(line) + "\n")
            out.flush()

        write(suite=suite.version(), at=now.isoformat())
        yield write
