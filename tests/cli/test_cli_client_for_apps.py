"""The snippets for browsers, Express and Apache, run as printed where their tools are, with a person who signs in."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
from cli_support import unused_port
from snippet_world import ROOT, Dev, running_dev, started, until_answered

from idp.testing.browser import Browser
from idp.testing.login import log_in

if TYPE_CHECKING:
    from playwright.sync_api import Page

APACHE = Path("/usr/sbin/apache2")
MODULES = Path("/usr/lib/apache2/modules")


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with running_dev(tmp_path_factory.mktemp("dev")) as found:
        yield found


def packages(example: str) -> Path:
    """The node packages of an example of ours: no snippet brings its own."""
    found = ROOT / "examples" / example / "node_modules"
    if not found.is_dir():
        pytest.skip(f"the packages of examples/{example} are missing: run make setup")
    return found


def signed_in(dev: Dev, start: str) -> httpx2.Response:
    browser = Browser(httpx2.HTTPTransport(), dev.issuer, "alice")
    with httpx2.Client(trust_env=False) as app:
        answer: httpx2.Response = log_in(app, browser, start)
        assert browser.pages == ["login", "consent"]
        return answer


@pytest.mark.node
@pytest.mark.usefixtures("node")
def test_express(dev: Dev, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(packages("express"))
    port = unused_port()
    made = dev.add("shop", "express", "--redirect-uri", f"http://localhost:{port}/callback")
    made.saved(tmp_path)
    with started(made.typed[1], tmp_path) as log:
        assert "Sign in" in until_answered(f"http://localhost:{port}/", log).text
        assert signed_in(dev, f"http://localhost:{port}/login").text == "Hello alice", log.read_text()


FRAME = """
ServerRoot {here}
Listen 127.0.0.1:{port}
PidFile {here}/pid
ErrorLog {here}/error.log
ServerName localhost
DefaultRuntimeDir {here}
Mutex file:{here} default
{modules}
DocumentRoot {here}/site
<Directory {here}/site>
    Require all granted
</Directory>
<VirtualHost *:{port}>
    ServerName http://localhost:{port}
    Include {here}/oidc.conf
</VirtualHost>
"""


def test_apache(dev: Dev, tmp_path: Path) -> None:
    if not APACHE.exists() or not (MODULES / "mod_auth_openidc.so").exists():
        pytest.skip("needs Debian's apache2 and libapache2-mod-auth-openidc")
    port = unused_port()
    made = dev.add("intranet", "apache", "--redirect-uri", f"http://localhost:{port}/private/callback")
    assert made.saved(tmp_path).name == "oidc.conf"
    (tmp_path / "site" / "private").mkdir(parents=True)
    (tmp_path / "site" / "private" / "index.html").write_text("the private page")
    wanted = ("mpm_event", "authn_core", "authz_core", "authz_user", "dir", "auth_openidc")
    modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in wanted)
    frame = FRAME.format(here=tmp_path, port=port, modules=modules + "\nDirectoryIndex index.html")
    (tmp_path / "httpd.conf").write_text(frame)
    # Apache's own user, where tests run as root, has to reach the folder.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    with started(f"{APACHE} -f {tmp_path}/httpd.conf -D FOREGROUND", tmp_path) as log:
        assert until_answered(f"http://localhost:{port}/private/", log).status_code == 302
        assert signed_in(dev, f"http://localhost:{port}/private/").text == "the private page"


# -- in a browser

PAGE = '<!doctype html><div id="{place}"></div><script type="module" src="/src/{name}"></script>'


def built_by_vite(made_in: Path, name: str, place: str, example: str) -> Path:
    """A project as ``npm create vite`` makes it, with the snippet as its first file."""
    (made_in / "node_modules").symlink_to(packages(example))
    (made_in / "index.html").write_text(PAGE.format(place=place, name=name))
    (made_in / "package.json").write_text('{"type": "module", "private": true}')
    if example == "react":
        config = "import react from '@vitejs/plugin-react'\nexport default { plugins: [react()] }\n"
        (made_in / "vite.config.js").write_text(config)
    done = subprocess.run(["node_modules/.bin/vite", "build"], cwd=made_in, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return made_in / "dist"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def served(folder: Path, port: int) -> Iterator[None]:
    http = ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Quiet, directory=str(folder)))
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def signs_in_and_out(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Sign in").click()
    page.locator("[name=username]").fill("alice")
    page.locator("[name=password]").fill("alice")
    page.locator("[name=password]").press("Enter")
    page.locator("[name=decision][value=allow]").click()
    page.get_by_text("Hello alice").wait_for()
    assert page.url == address
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in").wait_for()
    assert page.url.split("?")[0] == address


@pytest.mark.node
@pytest.mark.browser
@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(("kind", "place"), [("react", "root"), ("vue", "app")])
def test_react_and_vue(dev: Dev, tmp_path: Path, page: Page, kind: str, place: str) -> None:
    packages(kind)
    port = unused_port()
    address = f"http://localhost:{port}/"
    made = dev.add(f"spa-{kind}", kind, "--redirect-uri", address)
    folder = built_by_vite(tmp_path, made.saved(tmp_path).name, place, kind)
    with served(folder, port):
        signs_in_and_out(page, address)


@pytest.mark.long
@pytest.mark.node
@pytest.mark.browser
@pytest.mark.usefixtures("node")
def test_angular(dev: Dev, tmp_path: Path, page: Page) -> None:
    """In the project of our example, whose first file the snippet replaces."""
    example = packages("angular").parent
    port = unused_port()
    address = f"http://localhost:{port}/"
    shutil.copytree(example, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "dist", "src"))
    (tmp_path / "node_modules").symlink_to(example / "node_modules")
    made = dev.add("spa-angular", "angular", "--redirect-uri", address)
    made.saved(tmp_path)
    (tmp_path / "src" / "index.html").write_text('<!doctype html><base href="/"><app-root></app-root>')
    (tmp_path / "src" / "style.css").write_text("")
    build = json.loads((tmp_path / "angular.json").read_text())
    assert "src/main.ts" in json.dumps(build)
    done = subprocess.run(["node_modules/.bin/ng", "build"], cwd=tmp_path, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (file.parent for file in (tmp_path / "dist").rglob("index.html"))
    with served(folder, port):
        signs_in_and_out(page, address)
