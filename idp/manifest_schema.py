"""The apply file as a JSON Schema (2020-12), for editors that complete and check while one writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from idp.manifest import HIDDEN, MAX_SECRETS, SECONDS, SECRETS
from idp.manifest_people import PersonTable
from idp.protocol.client import Client, Resource, Scope

_DURATION = {"type": "string", "pattern": "^[0-9]{1,9}[smhd]?$"}
_HASHES = {
    "type": "array",
    "items": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "minItems": 1,
    "maxItems": MAX_SECRETS,
    "uniqueItems": True,
}


class ApplyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    clients: list[Client] = []
    people: list[PersonTable] = []
    scopes: list[Scope] = []
    resources: list[Resource] = []


def manifest_schema() -> dict[str, Any]:
    """Names, types and bounds; what depends on other entries is for ``idp apply --plan`` to say."""
    schema = msgspec.json.schema(ApplyFile)
    parts: dict[str, Any] = schema["$defs"]
    for part in parts.values():
        part["additionalProperties"] = False
        for name in SECONDS:
            if name in part["properties"]:
                part["properties"][name] = _or_duration(part["properties"][name])
    client = parts["Client"]["properties"]
    for hidden in HIDDEN:
        del client[hidden]
    for name in SECRETS:
        client[name] = _HASHES if name.endswith("hashes") else {"type": "string", "minLength": 1}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "idp apply file", **schema}


def _or_duration(member: Mapping[str, Any]) -> dict[str, Any]:
    """Seconds as a number, or with a unit."""
    kinds = [kind for kind in member["anyOf"] if kind != {"type": "null"}]
    return {"anyOf": [*kinds, _DURATION]}
