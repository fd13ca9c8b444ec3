"""Settings and inhabitants for a test's provider: what ``idp dev`` starts with, in a folder of the test's own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from idp.app import prepare
from idp.config.toml_source import TomlSource
from idp.control.operations import run
from idp.manifest import Manifest, parse_manifest, read_manifest
from idp.server import Server
from idp.settings import Settings, load
from idp.settings_network import reach

_SEED = Path(__file__).parent.parent / "cli" / "dev_seed.toml"


def test_settings(data_dir: Path, issuer: str, **options: Any) -> Settings:
    """Dev settings with a data folder of their own; ``options`` by dotted name with ``__``."""
    given = {name.replace("__", "."): value for name, value in options.items()}
    return load(None, {}, "dev", {"data_dir": str(data_dir), "issuer": issuer, **given})


async def apply_text(server: Server, text: str, folder: Path) -> dict[str, Any]:
    """Apply a TOML text as ``idp apply`` would a file."""
    manifest = parse_manifest(
        TomlSource(text, "test"),
        folder,
        algorithms=server.settings.keys.algorithms,
        grant_types=tuple(server.grants),
        response_types=sorted(server.response_types),
        reach=reach(server.settings),
        profile=server.settings.profile,
    )
    return await run(server, "apply", {"manifest": msgspec.to_builtins(manifest, builtin_types=(bytes,))})


def read_file(manifest: str | Path, folder: Path) -> tuple[str, Path]:
    """An apply file's text and folder; of a text, which stands nowhere, ``folder``."""
    return (manifest.read_text("utf-8"), manifest.parent) if isinstance(manifest, Path) else (manifest, folder)


async def apply_seed(server: Server) -> None:
    """alice, bob, the client ``sample`` and the service ``service``."""
    await _apply(server, read_manifest(_SEED))


async def prepare_seeded(server: Server) -> None:
    """Schema, keys and the same inhabitants, their passwords hashed while the keys are made."""
    manifest = read_manifest(_SEED)
    hashes, _ = await asyncio.gather(
        asyncio.gather(*(server.passwords.hash(person.password or "") for person in manifest.people)), prepare(server)
    )
    people = tuple(
        msgspec.structs.replace(person, password=None, password_hash=hashed)
        for person, hashed in zip(manifest.people, hashes, strict=True)
    )
    await _apply(server, msgspec.structs.replace(manifest, people=people))


async def _apply(server: Server, manifest: Manifest) -> None:
    await run(server, "apply", {"manifest": msgspec.to_builtins(manifest, builtin_types=(bytes,))})
