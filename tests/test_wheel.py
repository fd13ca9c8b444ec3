"""The wheel, installed outside the checkout: what is inside, what its base alone can do, that commands work.

Nothing is fetched: it is built with the packages that are here, and a fresh environment borrows them by a
``.pth`` file, which does not process the editable install of this checkout.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable, Iterator
from email import message_from_string
from importlib.metadata import distribution
from pathlib import Path

import httpx2
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
SITE_PACKAGES = Path(sysconfig.get_paths()["purelib"])
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
OFFLINE = ("--no-index", "--no-deps")
VERIFY = """
import sys
import idp, idp.verify
assert idp.__file__.startswith(sys.path[0]), idp.__file__
known = {name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
sys.stdout.write(" ".join(sorted(known)))
"""
WHERE_THE_DEMO_IS = "from idp.cli.dev import demo_folder; print(demo_folder())"


def outside() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "IDP_"))}


def run(*command: str | Path, cwd: Path) -> str:
    """Run outside the checkout and without its environment; its words are shown if it fails."""
    found = subprocess.run(list(map(str, command)), cwd=cwd, env=outside(), capture_output=True, text=True)
    assert found.returncode == 0, f"{command}\n{found.stdout}{found.stderr}"
    return found.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def test_it_carries_what_runs(names: set[str]) -> None:
    """Every source, template and demo file of the checkout, and the licence."""
    expected = {"idp/py.typed", "idp/demo/demo.toml", "idp/demo/relying_party.py", "idp/templates/login.html"}
    sources = {p.relative_to(ROOT).as_posix() for p in (ROOT / "idp").rglob("*.py")}
    templates = {f"idp/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / "templates").rglob("*.html")}
    assert not (expected | sources | templates) - names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)


def test_it_carries_nothing_else(names: set[str]) -> None:
    folders = r"(^|/)(tests|bench|keys|docs|node_modules|__pycache__|\.[^/]*)(/|$)"
    strays = re.compile(folders + r"|\.(pyc|pem|db|sqlite3?)$")
    assert not [name for name in names if strays.search(name)]
    assert {name.split("/")[0].split("-")[0] for name in names} == {"idp"}


def test_its_base_needs_only_what_verifying_needs(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("dist-info/METADATA"))
    needs = message_from_string(archive.read(name).decode()).get_all("Requires-Dist") or []
    base = {Requirement(need).name for need in needs if "extra ==" not in need}
    assert base == {"cryptography", "joserfc"}


def closure(*names: str) -> Iterator[str]:
    """These distributions and all they need."""
    for name in names:
        yield name
        for need in map(Requirement, distribution(name).requires or ()):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                yield from closure(need.name)


def test_the_base_install_verifies(wheel: Path, tmp_path: Path) -> None:
    """``import idp.verify`` where joserfc, cryptography and their own needs are all there is."""
    target, base = tmp_path / "target", tmp_path / "base"
    base.mkdir()
    run(*PIP, "install", *OFFLINE, "--target", target, wheel, cwd=tmp_path)
    for name in set(closure("joserfc", "cryptography")):
        for top in {file.parts[0] for file in distribution(name).files or () if file.parts[0] != ".."}:
            if not (base / top).exists():
                (base / top).symlink_to(SITE_PACKAGES / top)
    start = f"import sys; sys.path[:0] = [{str(target)!r}, {str(base)!r}]\n"
    known = run(sys.executable, "-I", "-S", "-c", start + VERIFY, cwd=tmp_path).split()
    assert "idp" in known
    assert not {"starlette", "sqlalchemy", "click", "msgspec", "uvicorn", "authlib"} & set(known)
    refusal = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + "import idp.cli; idp.cli.main()"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (refusal.returncode, "idp[server]" in refusal.stderr) == (2, True), refusal.stderr


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of a fresh environment with ``idp[server]``."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    run(*PIP, "--python", python, "install", *OFFLINE, wheel, cwd=home)
    (site,) = home.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(f"{SITE_PACKAGES}\n", encoding="utf-8")
    where = run(python, "-c", "import idp; print(idp.__file__)", cwd=home).strip()
    assert Path(where).is_relative_to(site), where
    return python.parent


def test_the_command_tells_its_version(installed: Path, tmp_path: Path) -> None:
    assert distribution("idp").version in run(installed / "idp", "--version", cwd=tmp_path)


def test_the_provider_starts_from_it(installed: Path, tmp_path: Path, free_port: Callable[[], int]) -> None:
    """``idp dev`` in an empty folder: its pages and the demo come out of the wheel, its data stays in that folder."""
    port = free_port()
    command = [str(installed / "idp"), "dev", "--port", str(port)]
    environment = outside() | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            said = next((line for line in server.stdout if "by another process" in line), "it ended")
            assert "verified with public key" in said
            page = httpx2.get(f"http://localhost:{port}/authorize", trust_env=False)
            assert page.status_code == 400
            assert '<body id="error"' in page.text
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(15)
    assert (tmp_path / ".idp").is_dir()
    where = run(installed / "python", "-c", WHERE_THE_DEMO_IS, cwd=tmp_path).strip()
    assert Path(where).is_relative_to(installed.parent), where
