"""Settings and inhabitants for a test's provider: what ``idp dev`` starts with, in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from idp.config.toml_source import TomlSource
from idp.control.operations import run
from idp.manifest import parse_manifest, read_manifest
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


async def apply_seed(server: Server) -> None:
    """alice, bob, the client ``sample`` and the service ``service``."""
    manifest = read_manifest(_SEED)
    await run(server, "apply", {"manifest": msgspec.to_builtins(manifest, builtin_types=(bytes,))})
