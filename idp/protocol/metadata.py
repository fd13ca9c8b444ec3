"""Discovery documents, computed from what is mounted (RFC 8414, OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def merge(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One document of many members: lists of the same name are joined, anything else must agree."""
    merged: dict[str, Any] = {}
    for document in documents:
        for name, value in document.items():
            if isinstance(value, list):
                merged[name] = [*merged.get(name, []), *(item for item in value if item not in merged.get(name, []))]
            elif merged.setdefault(name, value) != value:
                raise ValueError(f"two features disagree about {name}: {merged[name]!r} and {value!r}")
    return merged
