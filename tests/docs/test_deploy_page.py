"""docs/deploy.md and deploy/nginx.conf say what the program does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from doc_blocks import ROOT, blocks

from idp import serving
from idp.settings import Settings, load
from idp.web.foreign_host import ForeignHosts

PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
NGINX = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
DEFAULTS = Settings(issuer="https://id.example.com", data_dir=Path())


def seconds_of(name: str) -> int:
    found = re.search(rf"^\s*{name} (\d+)s;", NGINX, re.MULTILINE)
    assert found, name
    return int(found[1])


def test_nginx_lets_go_of_idle_connections_before_a_node_does() -> None:
    assert 0 < seconds_of("keepalive_timeout") < DEFAULTS.drain_seconds
    assert f"drain_seconds ({DEFAULTS.drain_seconds})" in NGINX
    assert f"keepalive_timeout {seconds_of('keepalive_timeout')}s" in PAGE
    assert "non_idempotent" not in NGINX, "a POST that was sent is never sent again"


def test_the_page_has_the_programs_numbers() -> None:
    text = " ".join(PAGE.split())
    assert f"{serving._IDLE_BEHIND_PROXY} s with `trusted_proxies`, {serving._IDLE} s without" in text
    assert f"after `drain_seconds` ({DEFAULTS.drain_seconds})" in text
    assert f"for at most {serving.GRACEFUL} s more" in text
    assert DEFAULTS.drain_seconds + serving.GRACEFUL < 10
    assert f"max-age={DEFAULTS.hsts_seconds}" in text
    assert f"`metrics_host` ({DEFAULTS.metrics_host})" in text


def test_the_settings_beside_nginx_are_settings(tmp_path: Path) -> None:
    [block] = [block for block in blocks(PAGE) if block.language == "toml"]
    commented = "\n".join(re.findall(r"^#   (\w+ = .*?)(?:  +#.*)?$", NGINX, re.MULTILINE))
    assert set(tomllib.loads(commented)) == {"issuer", "trusted_proxies"}
    for text in ("\n".join(block.lines) + '\nissuer = "https://id.example.com"', commented):
        file = tmp_path / "idp.toml"
        file.write_text(f'{text}\ndata_dir = "data"\n')
        assert load(file, {}, "serve").trusted_proxies == ("127.0.0.1/32",)


def test_the_line_of_the_log_is_the_one_that_is_written(caplog: pytest.LogCaptureFixture) -> None:
    ForeignHosts("https://id.example.com", lambda: 0.0).look({"headers": [(b"host", b"10.0.0.7:8000")], "path": "/"})
    shown = next(line for line in PAGE.splitlines() if line.startswith("a request came"))
    [record] = caplog.records
    assert record.getMessage().startswith(shown.removesuffix("..."))
