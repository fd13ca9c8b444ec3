"""What the operator decides about proofs of possession (RFC 9449)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Dpop(msgspec.Struct, frozen=True, kw_only=True):
    nonce: Annotated[
        Literal["off", "required"],
        Meta(description="Whether DPoP proofs must hold a nonce of this server, so that none is made in advance."),
    ] = "off"
