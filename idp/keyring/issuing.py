"""Turns an authorization into tokens: the only place that makes access and ID tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from idp.keyring.extra import Document, ExtraClaims
from idp.keyring.keyring import Keyring
from idp.keyring.subjects import subject_of
from idp.protocol import claims
from idp.protocol.acr import Levels
from idp.protocol.authorization import Authorization
from idp.protocol.client import Resource
from idp.settings import Settings

Keep = Callable[[Mapping[str, Any]], Awaitable[str]]


class Issuer:
    """``random_id`` gives a fresh ``jti``, ``keep`` an opaque token that stands for the claims it is given.

    Lifetimes in seconds; the shortest of resource, client and server wins.
    """

    def __init__(
        self,
        settings: Settings,
        keyring: Keyring,
        random_id: Callable[[], str],
        keep: Keep,
        extra: ExtraClaims | None = None,
    ) -> None:
        """``extra`` adds what somebody's app says to the claims of a token."""
        self._extra = extra
        self._settings = settings
        self._levels = Levels.of(settings.acr)
        self._keyring = keyring
        self._random_id = random_id
        self._keep = keep

    async def issue(self, auth: Authorization, resources: Mapping[str, Resource]) -> dict[str, Any]:
        """RFC 6749 5.1, with an ID token where OpenID Connect asks for one (Core 3.1.3.3); or that one alone."""
        if not auth.access_token:
            return {"id_token": await self._id_token(auth, None)}
        if auth.audience:
            auth = msgspec.structs.replace(auth, scope=_understood(auth, resources))
        targets = [resources[uri] for uri in auth.audience if uri in resources]
        lifetime = self._lifetime(auth, targets)
        expires_at = int(auth.now + lifetime)
        members = claims.access_token(
            auth,
            issuer=self._settings.issuer,
            jti=self._random_id(),
            expires_at=expires_at,
            subject=self._subject(auth),
            acr=self._acr(auth),
        )
        if self._extra is not None:
            members = await self._with_extra(self._extra, "access_token", members, auth)
        if any(target.access_token_format == "opaque" for target in targets):
            token = await self._keep(members)
        else:
            token = await self._keyring.sign(_access_token_alg(auth, targets), "at+jwt", members)
        answer: dict[str, Any] = {
            "access_token": token,
            "token_type": auth.holder.token_type if auth.holder is not None else "Bearer",
            "expires_in": expires_at - int(auth.now),
            "scope": " ".join(auth.scope),
        }
        if auth.issued_token_type is not None:
            answer["issued_token_type"] = auth.issued_token_type
        if auth.refresh_token is not None:
            answer["refresh_token"] = auth.refresh_token
        if auth.id_token:
            answer["id_token"] = await self._id_token(auth, token)
        return answer

    async def _id_token(self, auth: Authorization, access_token: str | None) -> str:
        alg = auth.client.id_token_signed_response_alg
        members = claims.id_token(
            auth,
            issuer=self._settings.issuer,
            expires_at=int(auth.now + self._settings.lifetimes.id_token),
            subject=self._subject(auth),
            acr=self._acr(auth),
            alg=alg,
            access_token=access_token,
        )
        if self._extra is not None:
            members = await self._with_extra(self._extra, "id_token", members, auth)
        return await self._keyring.sign(alg, "JWT", members)

    async def _with_extra(
        self, extra: ExtraClaims, document: Document, members: Mapping[str, Any], auth: Authorization
    ) -> dict[str, Any]:
        audience = (auth.audience or (self._settings.issuer,)) if document == "access_token" else ()
        client_id, account = auth.client.client_id, auth.account
        return await extra(document, members, client_id=client_id, account=account, scope=auth.scope, audience=audience)

    def _subject(self, auth: Authorization) -> str:
        if auth.subject is not None:
            return auth.subject
        if auth.account is None:
            return auth.client.client_id
        return subject_of(self._keyring, auth.client, auth.account.id)

    def _acr(self, auth: Authorization) -> str | None:
        if auth.acr is not None or auth.account is None:  # a client for itself: nobody signed in
            return auth.acr
        return self._levels.told(auth.amr)

    def _lifetime(self, auth: Authorization, targets: list[Resource]) -> float:
        asked = [
            auth.lifetime,
            auth.client.access_token_lifetime,
            *(target.access_token_lifetime for target in targets),
        ]
        return min((seconds for seconds in asked if seconds is not None), default=self._settings.lifetimes.access_token)


def _understood(auth: Authorization, resources: Mapping[str, Resource]) -> tuple[str, ...]:
    """RFC 8707 2.2: a token for named resources leaves out the scopes that belong to other ones."""
    foreign = {word for uri, other in resources.items() if uri not in auth.audience for word in other.scopes}
    own = {word for uri in auth.audience if uri in resources for word in resources[uri].scopes}
    return tuple(word for word in auth.scope if word in own or word not in foreign)


def _access_token_alg(auth: Authorization, targets: list[Resource]) -> str:
    for target in targets:
        if target.access_token_signed_response_alg is not None:
            return target.access_token_signed_response_alg
    return auth.client.access_token_signed_response_alg
