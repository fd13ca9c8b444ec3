"""Whether people may make an account by themselves (docs/sign-up.md)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class SignUp(msgspec.Struct, frozen=True, kw_only=True):
    """Off unless said: who runs a company's sign-on adds its people (docs/import.md)."""

    open: Annotated[
        bool,
        Meta(
            description="Whether anybody may make an account: at prompt=create, and from the sign-in page.",
            extra={"secret": False},
        ),
    ] = False
    network: Annotated[
        int,
        Meta(
            description="Accounts made from one network (/24, or /56), per process.",
            ge=1,
            le=100_000,
            extra={"secret": False},
        ),
    ] = 20
    network_window: Annotated[
        int, Meta(description="Over how long that empties.", ge=1, le=2_592_000, extra={"unit": "seconds"})
    ] = 3600
