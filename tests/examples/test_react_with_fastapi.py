"""examples/react and examples/fastapi together, each as it stands but for the ports, against an ``idp dev``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from built_apps import EXAMPLES, built, served
from example_world import free_ports
from processes import idp_dev, program
from test_browser_apps import sign_in, without_a_complaint

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.node]


def test_a_note_is_written_and_there_after_a_reload(page: Page, tmp_path: Path) -> None:
    app = built("react")
    issuer, api, port = free_ports(3)
    known = {"8000": issuer, "5173": port}  # the API keeps its name, wherever it listens

    def moved(file: str) -> str:
        text = (EXAMPLES / file).read_text(encoding="utf-8")
        for was, now in known.items():
            text = text.replace(f"localhost:{was}", f"localhost:{now}")
        return text

    (tmp_path / "notes.py").write_text(moved("fastapi/notes.py"), encoding="utf-8")
    addresses = {"api": f"http://localhost:{api}", "issuer": f"http://localhost:{issuer}"}
    with (
        idp_dev(tmp_path, issuer, moved("react/idp.toml")),
        program(tmp_path, api, "-m", "uvicorn", "notes:app", "--port", str(api)),
        served(app, port, **addresses),
        without_a_complaint(page.context),
    ):
        sign_in(page, f"http://localhost:{port}", "alice")
        page.fill("#text", "Buy milk")
        page.click("#add")
        page.wait_for_selector("#notes li:has-text('Buy milk')")
        page.reload()
        page.wait_for_selector("#notes li:has-text('Buy milk')")
        page.context.close()
