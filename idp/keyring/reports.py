"""What an operator reads after a change of keys: what was done, from when on, and what it breaks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from idp.protocol.key_plan import KeyLife, KeyPlan


@dataclass(frozen=True, slots=True)
class Rotated:
    """One algorithm. ``done`` says whether ``new_kid`` signs now; if not, it may (or will by itself) from ``at`` on."""

    alg: str
    old_kid: str | None
    new_kid: str
    done: bool
    at: float
    by_itself: bool
    breaks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RotationReport:
    """One entry an algorithm; ``ends`` lists what a lost key-encryption key takes with it."""

    rotated: tuple[Rotated, ...]
    ends: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        return all(entry.done for entry in self.rotated)

    def lines(self) -> tuple[str, ...]:
        """The report as text, a line each."""
        lines = []
        for entry in self.rotated:
            lines.append(_headline(entry))
            lines += [f"  {sentence}" for sentence in entry.breaks]
        return (*lines, *self.ends)


@dataclass(frozen=True, slots=True)
class RevocationReport:
    """``was`` is the state the key had; ``new_kid`` signs or waits in its place."""

    kid: str
    alg: str
    was: str
    new_kid: str | None
    breaks: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        successor = f"; {self.new_kid} takes its place" if self.new_kid else ""
        return (
            f"{self.alg}: {self.kid} ({self.was}) is revoked{successor}",
            *(f"  {line}" for line in self.breaks),
        )


@dataclass(frozen=True, slots=True)
class RewrapReport:
    """Everything sealed under ``old`` is sealed under ``new``: both are names of key-encryption keys."""

    old: str
    new: str
    keys: int
    secrets: int

    def lines(self) -> tuple[str, ...]:
        if self.old == self.new:
            return (f"already sealed under {self.new}; put a new key first in the file to change it",)
        return (
            f"{self.keys} private keys and {self.secrets} secrets are sealed under {self.new}",
            f"{self.old} may leave the file once every node has been started with {self.new} in it",
        )


def broken_by_haste(key: KeyLife, now: float, plan: KeyPlan) -> tuple[str, ...]:
    """What a key breaks that signs before every cache can have it: nothing if its lead has passed."""
    known_by = key.published_from + plan.lead
    if now >= known_by:
        return ()
    return (
        f"Verifiers that cached the JWKS before {when(key.published_from)} do not know {key.kid}: they "
        f"refuse new tokens until they fetch again, the last by {when(known_by)}.",
        "Verifiers that fetch again on an unknown kid recover at the next token, or after their cool-down "
        "(often 30 s); a restart makes any other fetch.",
    )


def left_by_rotation(old: KeyLife | None, now: float) -> tuple[str, ...]:
    """What an emergency leaves in force: the tokens the old key signed."""
    if old is None or old.mark <= now:
        return ()
    return (
        f"Tokens signed by {old.kid} stay valid until they expire, the last before {when(old.mark)}. "
        f"If that key has leaked, end them now: idp keys revoke {old.kid}",
    )


def ended_by_revocation(key: KeyLife, now: float, plan: KeyPlan) -> tuple[str, ...]:
    """What stops working with the key."""
    if key.mark <= now:
        return ("No token it signed is still valid; its ID tokens are no longer accepted as id_token_hint.",)
    return (
        "Every token it signed is refused from now on at UserInfo and introspection "
        f"(the last would have expired before {when(key.mark)}).",
        f"Verifiers refuse them after their next fetch of the JWKS, the last by {when(now + plan.lead)}; "
        "people sign in again silently while their session lasts.",
    )


def ended_by_loss() -> tuple[str, ...]:
    """What nobody can open any more once the key-encryption key is lost."""
    return (
        "Sign-ins under way end: whoever has a login or consent page open starts again at the app.",
        "Refresh tokens live on, but a replay of one older than now cannot be proved: it is refused "
        "and its family is not ended.",
        "Secrets of client_secret_jwt clients cannot be read: give each a new one (idp client secret add), "
        "or apply the file that holds it.",
        "Apps with pairwise subjects hear another sub of everybody from now on: the secret they came from is lost.",
        "Access and ID tokens issued before stay valid until they expire: their public keys stay published.",
    )


def when(moment: float) -> str:
    """A time for people, in UTC whatever the machine is set to."""
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return "the end of time"


def _headline(entry: Rotated) -> str:
    if entry.done:
        instead = f" instead of {entry.old_kid}" if entry.old_kid else ""
        return f"{entry.alg}: {entry.new_kid} signs now{instead}"
    if entry.by_itself:
        return f"{entry.alg}: {entry.new_kid} is published and takes over by itself at {when(entry.at)}"
    return (
        f"{entry.alg}: not yet. {entry.new_kid} may sign from {when(entry.at)} on, when no cache lacks it; "
        "run idp keys rotate again then, or with --emergency to see what breaks"
    )
