"""What somebody's app adds to the claims of a document about to be signed or told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from idp.protocol.client import Account

Document = Literal["access_token", "id_token", "userinfo"]


class ExtraClaims(Protocol):
    async def __call__(
        self,
        document: Document,
        members: Mapping[str, Any],
        *,
        client_id: str,
        account: Account | None,
        scope: tuple[str, ...],
        audience: tuple[str, ...],
    ) -> dict[str, Any]:
        """``members`` with what is added to them. Raises Busy where nobody says what that is."""
