"""The tokens that ``idp token`` and ``idp login`` keep for ``idp refresh``: a file for its owner alone."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from idp.cli.trouble import Trouble

FILE = "session.json"


@dataclass(frozen=True, slots=True)
class StoredSession:
    """What a refresh needs, as the client that got the tokens; ``previous_*`` is what was replaced last."""

    issuer: str
    client_id: str
    token_endpoint: str
    access_token: str
    refresh_token: str | None = None
    previous_refresh_token: str | None = None
    revocation_endpoint: str | None = None
    person: str | None = None

    def __repr__(self) -> str:
        return f"StoredSession(issuer={self.issuer!r}, client_id={self.client_id!r}, person={self.person!r})"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From the members of a file or an answer; others are left out."""
        return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})

    def renewed(self, answer: Mapping[str, Any]) -> Self:
        """After a refresh. Without a new refresh token in the answer the old one stays (RFC 6749 6)."""
        fresh = answer.get("refresh_token", self.refresh_token)
        previous = self.refresh_token if fresh != self.refresh_token else self.previous_refresh_token
        return replace(
            self,
            access_token=answer["access_token"],
            refresh_token=fresh,
            previous_refresh_token=previous,
        )


def save(folder: Path, session: StoredSession) -> Path:
    """Write the file whole or not at all, mode 0600."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / FILE
    draft = folder / f".{FILE}.{secrets.token_hex(8)}"
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(session), file, indent=1)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def load(folder: Path) -> StoredSession:
    """Raises Trouble when nobody is signed in, or the file is not what was written."""
    path = folder / FILE
    try:
        return StoredSession.of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise Trouble(
            "no tokens are stored",
            received=f"no {path}",
            expected="tokens from idp token or idp login",
            mend="idp token PERSON",
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise Trouble(
            "the stored tokens cannot be read",
            received=f"{path}: {type(error).__name__}",
            expected="the file as it was written",
            mend=f"remove {path}, then idp token PERSON",
        ) from None


def forget(folder: Path) -> None:
    (folder / FILE).unlink(missing_ok=True)
