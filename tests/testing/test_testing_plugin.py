"""The plugin as a project meets it: its own pytest run, in a process of its own, with files of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# asyncio needs a pair of Unix sockets for itself; everything that could leave the machine is refused.
NO_NETWORK = """
import socket
import pytest

class Refusing(socket.socket):
    def __init__(self, family=-1, *rest, **named):
        if family in (-1, socket.AF_INET, socket.AF_INET6):
            raise AssertionError("the network was used")
        super().__init__(family, *rest, **named)

@pytest.fixture(autouse=True, scope="session")
def no_network():
    socket.socket = Refusing
"""


def run(folder: Path, *words: str, plugin: bool = True) -> subprocess.CompletedProcess[str]:
    loaded = ("-p", "idp.testing.plugin") if plugin else ()
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", *loaded, *words, "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def passed(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_named_by_the_installed_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    # The same name twice, so that "-p" and the entry point are one plugin to pytest.
    assert project["entry-points"]["pytest11"] == {"idp.testing.plugin": "idp.testing.plugin"}


def test_loading_it_brings_nothing_along(tmp_path: Path) -> None:
    text = """
import sys
def test_nothing():
    heavy = {"starlette", "sqlalchemy", "cryptography", "joserfc", "httpx2", "msgspec", "jinja2", "idp.app"}
    assert "idp.testing.plugin" in sys.modules
    assert not heavy & set(sys.modules)
"""
    passed(tmp_path, test_light=text)


def test_without_the_server_only_its_fixtures_fail(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("")
    (tmp_path / "conftest.py").write_text(
        "import sys\nfor name in ('starlette', 'sqlalchemy', 'uvicorn', 'httpx2'):\n    sys.modules[name] = None\n"
    )
    (tmp_path / "test_base.py").write_text(
        "def test_one():\n    from idp.verify import Verifier\n\ndef test_two(idp):\n    pass\n"
    )
    done = run(tmp_path)
    assert "1 passed" in done.stdout, done.stdout
    assert "1 error" in done.stdout, done.stdout
    assert "pip install 'idp[server]'" in done.stdout


def test_each_test_has_a_fresh_one_and_the_session_one_stays(tmp_path: Path) -> None:
    text = """
import pytest
from idp.control.errors import ControlError

seen = []

@pytest.mark.parametrize("turn", [1, 2])
def test_fresh(idp, turn):
    idp.add_person("carol")
    idp.advance(1000)

def test_session_one(idp_session):
    idp_session.add_person("carol")

def test_session_two(idp_session, idp):
    with pytest.raises(ControlError, match="each user name once"):
        idp_session.add_person("carol")
    idp.add_person("carol")
    assert idp.issuer == "http://localhost:8000"

def test_two_that_listen(live_idp, live_idp_session):
    assert live_idp.issuer != live_idp_session.issuer
    assert live_idp.verifier(fetch=None, jwks_uri=live_idp.issuer + "/.well-known/jwks.json").verify_sync(
        live_idp.token_for("alice")).subject == "alice"
"""
    passed(tmp_path, test_scopes=text)


def test_settings_and_people_of_the_project_and_of_one_test(tmp_path: Path) -> None:
    conftest = """
import pathlib
import pytest

@pytest.fixture(scope="session")
def idp_manifest():
    return pathlib.Path(__file__).with_name("clients.toml")

@pytest.fixture(scope="session")
def idp_settings():
    return {"lifetimes__access_token": 120}
"""
    text = """
import pytest

def test_for_all(idp, live_idp):
    assert {one.tokens_for("dora")["expires_in"] for one in (idp, live_idp)} == {120}

@pytest.mark.idp(lifetimes__access_token=60)
class TestMarked:
    def test_for_some(self, idp):
        assert idp.tokens_for("dora")["expires_in"] == 60

    @pytest.mark.idp(lifetimes__access_token=5)
    def test_for_one(self, idp):
        assert idp.tokens_for("dora")["expires_in"] == 5
"""
    (tmp_path / "clients.toml").write_text('[[people]]\nusername = "dora"\npassword = "correct horse"\n')
    passed(tmp_path, conftest=conftest, test_settings=text)


def test_no_network_is_used(tmp_path: Path) -> None:
    text = """
import socket
import pytest

def test_everything(idp):
    with pytest.raises(AssertionError, match="network"):
        socket.create_connection(("127.0.0.1", 9))
    token = idp.token_for("alice", scope="read", audience="https://api.example.com")
    assert idp.verifier("https://api.example.com").verify_sync(token).subject == "alice"
    assert idp.sign_in("bob")["id_token"]
    idp.rotate()
    idp.advance(100)
"""
    passed(tmp_path, conftest=NO_NETWORK, test_alone=text)


@pytest.mark.parametrize("words", [(), ("-p", "idp.testing.plugin")], ids=["once", "named twice"])
def test_it_may_be_named_more_than_once(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ("idp.testing.plugin",)\n')
    (tmp_path / "test_one.py").write_text("def test_one(idp):\n    assert idp.jwks()['keys']\n")
    done = run(tmp_path, *words, plugin=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_in_several_processes(tmp_path: Path) -> None:
    (tmp_path / "test_many.py").write_text(
        "import pytest\n\n@pytest.mark.parametrize('n', range(4))\ndef test_one(idp, live_idp, n):\n"
        "    assert idp.token_for('alice') and live_idp.token_for('bob')\n"
    )
    done = run(tmp_path, "-n", "2")
    assert "4 passed" in done.stdout, done.stdout + done.stderr
