"""The value in the middle: what a grant function decided may be issued. The issuer sees nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from idp.protocol.claims_request import Wanted
from idp.protocol.client import Account, Client
from idp.protocol.holder import Holder


class Authorization(msgspec.Struct, frozen=True):
    """What was granted, to whom, for what, narrowed to this token request.

    ``audience`` holds resource indicators, empty meaning the issuer itself. ``account`` is None for a client acting
    for itself. ``id_token`` says whether OpenID Connect wants one in this answer; ``refresh_token`` is already made,
    because it must be stored in the transaction that granted it. Times are Unix seconds.
    """

    client: Client
    scope: tuple[str, ...]
    audience: tuple[str, ...]
    now: float
    grant_type: str
    grant_id: str | None = None
    account: Account | None = None
    auth_time: float | None = None
    amr: tuple[str, ...] = ()
    sid: str | None = None
    nonce: str | None = None
    id_token: bool = False
    refresh_token: str | None = None
    act: Mapping[str, Any] | None = None  # who acts for the subject (RFC 8693 4.1)
    issued_token_type: str | None = None
    access_token: bool = True  # False: the answer of the authorization endpoint holds an ID token alone
    code: str | None = None  # issued beside the ID token, which then vouches for it (OIDC Core 3.3.2.11)
    told: Mapping[str, Any] | None = None  # claims of the person that no access token will fetch (OIDC Core 5.4)
    holder: Holder | None = None  # the key the access token is bound to (RFC 9449)
    lifetime: float | None = None  # of the access token; None = by resource, client, server
    acr: str | None = None  # what the sign-in earned; None = by ``amr``
    subject: str | None = None  # as a token said that this one is given for; None = what the client knows the person by
    claims: Wanted | None = None
