"""What an Accept header asks for (RFC 9110 12.5.1), as far as choosing between two media types needs it."""

from __future__ import annotations


def prefers(accept: str, wanted: str, usual: str) -> bool:
    """Whether ``wanted`` is named, by its own name, and not less welcome than ``usual`` by its own name."""
    weights = dict(_weight(part) for part in accept.lower().split(","))
    return 0.0 < weights.get(wanted, 0.0) >= weights.get(usual, 0.0)


def _weight(part: str) -> tuple[str, float]:
    name, *parameters = (text.strip() for text in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                quality = float(parameter[2:])
            except ValueError:
                return name, 0.0
            return name, quality if 0.0 <= quality <= 1.0 else 0.0
    return name, 1.0
