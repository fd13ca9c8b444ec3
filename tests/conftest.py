"""Shared plumbing: event loop, free ports, a real browser, Node.js, and the gate that forbids skips.

With ``IDP_REQUIRE_ALL=1`` (CI sets it) a test that skips and carries one of ``REQUIRED_MARKS`` has failed.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page
    from support.postgres import Cluster

pytest_plugins = ("support.leaks",)  # no secret in any test's log

CHROMIUM_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
REQUIRED_MARKS = ("apache", "browser", "nginx", "node", "postgres")
NODE_FOLDER = Path(__file__).parent / "node"


def require_all() -> bool:
    return os.environ.get("IDP_REQUIRE_ALL", "") not in ("", "0")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report: Any = yield
    marked = [mark for mark in REQUIRED_MARKS if item.get_closest_marker(mark)]
    if report.skipped and not hasattr(report, "wasxfail") and marked and require_all():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"IDP_REQUIRE_ALL is set, so this {marked[0]} test may not skip. {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """A whole module can skip itself before its marks are known; its text tells whether it carries one."""
    report: Any = yield
    if report.outcome == "skipped" and require_all() and isinstance(collector, pytest.Module):
        text = collector.path.read_text(encoding="utf-8")
        if any(f"mark.{mark}" in text for mark in REQUIRED_MARKS):
            report.outcome = "failed"
            report.longrepr = f"IDP_REQUIRE_ALL is set, so {collector.nodeid} may not skip itself."
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def unused_port() -> int:
    """A TCP port of 127.0.0.1 nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def free_port() -> Callable[[], int]:
    return unused_port


@contextmanager
def chromium() -> Iterator[Browser]:
    executable = shutil.which(os.environ.get("IDP_CHROMIUM") or "chromium")
    if executable is None:
        pytest.skip("no Chromium: install it (apt-get install chromium) or set IDP_CHROMIUM to its path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=executable, args=list(CHROMIUM_ARGUMENTS))
        yield found
        found.close()


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A Chromium of the test's own; most tests take ``page``.

    Sharing one would save 0.5 s a test, but while Playwright's driver runs, its event loop counts as running
    in this thread, and every later ``asyncio.run`` or anyio test of the worker would be refused.
    """
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[Browser]:
    """For a file none of whose tests has an event loop in this thread: its own ``browser`` may be this one."""
    with chromium() as found:
        yield found


@pytest.fixture
def browser_context(browser: Browser) -> Iterator[BrowserContext]:
    """A person of their own: no cookie of another test. English, so words on a page can be asserted."""
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(browser_context: BrowserContext) -> Page:
    return browser_context.new_page()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of this worker's own."""
    from support.postgres import running_cluster

    with running_cluster() as found:
        yield found


@pytest.fixture(scope="session")
def node() -> Path:
    """The Node.js program; its packages stand in ``tests/node/node_modules``."""
    executable = shutil.which("node")
    if executable is None:
        pytest.skip("no Node.js: install it (apt-get install nodejs npm)")
    if not (NODE_FOLDER / "node_modules").is_dir():
        pytest.skip("the packages of tests/node are missing: run make setup")
    return Path(executable)
