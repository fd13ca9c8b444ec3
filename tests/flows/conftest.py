"""One provider a module, apps ``web``, ``spa`` and ``native``, a fresh browser a test."""

from __future__ import annotations

from support.fixtures import provider, visitor

__all__ = ["provider", "visitor"]
