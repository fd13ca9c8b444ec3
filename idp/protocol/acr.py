"""How strong a sign-in was (``acr``): the operator's levels, and what a request asks (OIDC Core 5.5.1.1, RFC 9470)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

# What the sign-in page proves of everybody who passes it (RFC 8176): a fresh sign-in reaches this, and no more.
SIGN_IN = ("pwd",)


class Levels(msgspec.Struct, frozen=True):
    """Methods of a sign-in and the acr they earn, the weakest first."""

    steps: tuple[tuple[frozenset[str], str], ...] = ()

    @classmethod
    def of(cls, table: Mapping[str, str]) -> Levels:
        """From the setting ``acr``: methods joined by spaces, in the order of strength."""
        return cls(tuple((frozenset(methods.split()), acr) for methods, acr in table.items()))

    def met_by(self, amr: Collection[str]) -> tuple[str, ...]:
        """Every acr of a sign-in by these methods, its own last: the stronger is as good as the weaker."""
        done = frozenset(amr)
        reached = [place for place, (methods, _) in enumerate(self.steps) if methods <= done]
        return tuple(acr for _, acr in self.steps[: reached[-1] + 1]) if reached else ()

    def told(self, amr: Collection[str], asked: Collection[str] = ()) -> str | None:
        """What a token says: the first of those asked for that was earned, else the sign-in's own."""
        met = self.met_by(amr)
        return next((acr for acr in asked if acr in met), met[-1] if met else None)


NO_LEVELS = Levels()


class AcrRequest(msgspec.Struct, frozen=True):
    """``values`` in the client's order of preference; ``necessary`` where nothing less will do."""

    values: tuple[str, ...]
    necessary: bool
    levels: Levels

    def met_by(self, amr: Collection[str]) -> bool:
        return not set(self.values).isdisjoint(self.levels.met_by(amr))
