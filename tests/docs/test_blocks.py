"""Every block of code in the pages is run, read by the program's own reader, or listed with the reason why not."""

from __future__ import annotations

import ast
import configparser
import json
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from block_register import PARSED, REGISTER, Shown
from doc_blocks import Block, blocks
from test_docs import PAGES, name_of

from idp.config.toml_source import TomlSource
from idp.manifest import parse_manifest
from idp.settings import load
from idp.settings_network import reach

HERE = Path(__file__).parent
APPLIED = ("[[clients", "[[people", "[[scopes", "[[resources")


def fate(page: str, block: Block) -> str | Shown | None:
    """What the register says of a block: by its first words, longest first, then by its language."""
    rows, text = REGISTER.get(page, {}), "\n".join(block.lines)
    begun = sorted((key for key in rows if key != block.language and text.startswith(key)), key=len)
    return rows[begun[-1]] if begun else rows.get(block.language)


def every_block() -> Iterator[tuple[str, Block]]:
    for path in PAGES:
        yield from ((name_of(path), block) for block in blocks(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_block_is_accounted_for(path: Path) -> None:
    text, page = path.read_text(encoding="utf-8"), name_of(path)
    assert text.count("\n```") == 2 * len(list(blocks(text))), "a fence that is indented or never closed"
    for block in blocks(text):
        assert block.language, f"{page}, line {block.line}: say the language, for colours and for this test"
        assert fate(page, block) is not None, (
            f"{page}, line {block.line}: no test runs this {block.language} block. Write one, and name it for this page"
            " in tests/docs/block_register.py (or PARSED, or Shown with the reason)"
        )


def test_no_row_of_the_register_is_left_over() -> None:
    there: dict[str, list[Block]] = {}
    for page, block in every_block():
        there.setdefault(page, []).append(block)
    for page, rows in REGISTER.items():
        for key in rows:
            found = there.get(page, [])
            assert any(key == b.language or "\n".join(b.lines).startswith(key) for b in found), f"{page}: {key}"


def test_every_test_of_the_register_is_there() -> None:
    for page, rows in REGISTER.items():
        for row in rows.values():
            if isinstance(row, Shown) or row == PARSED:
                continue
            file, _, name = row.partition("::")
            source = (HERE / file).read_text(encoding="utf-8")
            assert f"def {name}(" in source, f"{page}: {row}"


def read(block: Block, folder: Path) -> None:
    """Raise whatever the reader of the language says."""
    text = "\n".join(block.lines)
    match block.language:
        case "toml" if text.lstrip().startswith(APPLIED):
            given = tomllib.loads(text)
            for client in given.get("clients", ()):  # a file beside the page's
                if name := client.get("client_secret_file"):
                    (folder / name).write_text("a-secret-long-enough-for-anybody-0123456789")
            parse_manifest(TomlSource(text, "page"), folder, reach=reach(load(None, {}, "dev")))
        case "toml":
            # At the top of the file, as the page's own table may come last.
            (folder / "idp.toml").write_text(f'issuer = "https://id.example.com"\ndata_dir = "data"\n{text}\n')
            load(folder / "idp.toml", {}, "serve")
        case "json":
            json.loads(text)
        case "ini":
            configparser.RawConfigParser().read_string(text)
        case "python":
            compile(text, "page", "exec", dont_inherit=True, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        case "sh":
            subprocess.run(["sh", "-n"], input=text, text=True, check=True, capture_output=True)
        case _:
            pass


@pytest.mark.parametrize("path", [p for p in PAGES if not p.name.startswith("api-")], ids=name_of)
def test_blocks_can_be_read(path: Path, tmp_path: Path) -> None:
    for block in blocks(path.read_text(encoding="utf-8")):
        try:
            read(block, tmp_path)
        except Exception as error:
            pytest.fail(f"{name_of(path)}, line {block.line}: {error}")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("toml", "[[clients]]\nclient_id = 1"),
        ("toml", 'profil = "mcp"'),
        ("json", "{a}"),
        ("ini", "a"),
        ("python", "if"),
        ("sh", "if"),
    ],
)
def test_what_cannot_be_read_is_seen(language: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - each reader has its own
        read(Block(language, tuple(text.splitlines()), 1), tmp_path)
