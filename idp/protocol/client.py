"""Who may ask: a registered client, with the metadata names of RFC 7591 and OpenID Connect Registration 1.0."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from idp.protocol.uris import origin_of

AuthMethod = Literal["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"]


_LOOPBACK = ("localhost", "127.0.0.1", "::1")  # everybody's own: they speak for nobody


class AssertionIssuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Whose assertions a client may present (RFC 7523 2.1): its ``iss``, its keys, and what its ``sub`` is here."""

    issuer: str
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    subject: Literal["sub", "username"] = "sub"


class Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One client. Lists are tuples; URIs are compared as the exact strings given here (RFC 9700 2.1)."""

    client_id: str
    client_name: str = ""
    secret_hashes: tuple[bytes, ...] = ()  # SHA-256 of each live secret
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"
    token_endpoint_auth_signing_alg: str | None = None
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    scope: str = "openid"
    application_type: Literal["web", "native"] = "web"
    id_token_signed_response_alg: str = "RS256"
    access_token_signed_response_alg: str = "RS256"
    authorization_signed_response_alg: str = "RS256"  # JARM 3
    userinfo_signed_response_alg: str | None = None  # None = plain JSON (OIDC Core 5.3.2)
    introspection_signed_response_alg: str = "RS256"  # where it asks for a JWT (RFC 9701 6)
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str | None = None
    frontchannel_logout_session_required: bool = False
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    logo_uri: str | None = None
    client_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    contacts: tuple[str, ...] = ()
    initiate_login_uri: str | None = None
    default_max_age: int | None = None
    default_acr_values: tuple[str, ...] = ()
    require_auth_time: bool = False
    subject_type: Literal["public", "pairwise"] = "public"
    sector_identifier_uri: str | None = None
    software_id: str | None = None
    software_version: str | None = None
    request_uris: tuple[str, ...] = ()  # where its request objects may be fetched (OIDC Registration 2)
    request_object_signing_alg: str | None = None  # None = any of ours; unsigned ones are never taken
    require_signed_request_object: bool = False  # RFC 9101 10.5
    require_pushed_authorization_requests: bool = False  # RFC 9126 6
    dpop_bound_access_tokens: bool = False  # RFC 9449 5.2

    # Ours, not registered names.
    sealed_secrets: tuple[str, ...] = ()  # of client_secret_jwt: the secrets of secret_hashes, in the same order
    resources: tuple[str, ...] = ()  # resource indicators it may ask tokens for (RFC 8707)
    audiences: tuple[str, ...] = ()  # resources whose tokens it may introspect: it is their resource server
    refresh: Literal["offline", "session"] = "offline"
    refresh_grace: float | None = None  # seconds, 0-600; None = the server's
    refresh_rotation: bool = True  # False: each refresh answers with the same token (FAPI 2.0 5.3.2.1)
    profile: Literal["fapi2"] | None = None  # the FAPI 2.0 Security Profile, in one word
    access_token_lifetime: float | None = None
    consent: Literal["ask", "skip"] = "ask"
    remember_consent: bool | None = None  # None = remembered where the client can prove who it is (RFC 8252 8.6)
    assertion_audience: Literal["issuer", "token_endpoint"] = "issuer"  # RFC 10070; the other for older libraries
    require_pkce: bool = True
    token_exchange: tuple[Literal["delegation", "impersonation"], ...] = ()  # how it may act for people (RFC 8693)
    assertion_issuers: tuple[AssertionIssuer, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    disabled: bool = False
    registered: bool = False  # over HTTP (RFC 7591): whoever holds its registration access token may change it

    @property
    def public(self) -> bool:
        return self.token_endpoint_auth_method == "none"

    @property
    def name(self) -> str:
        return self.client_name or self.client_id

    @property
    def host(self) -> str:
        """Whose word for it is all there is, for a client nobody registered; empty for a registered one."""
        return ""

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.scope.split())

    @property
    def origins(self) -> frozenset[str]:
        """Browser origins that may read this client's answers (CORS): its redirect URIs' own, and those named."""
        return frozenset(filter(None, map(origin_of, self.redirect_uris))) | frozenset(self.allowed_origins)

    @property
    def sector(self) -> str | None:
        """Whom it shares pairwise subjects with, as the host that speaks for them (OIDC Core 8.1).

        A client whose answers never leave the device has no such host, and is a sector of its own. None where several
        hosts would speak."""
        if self.sector_identifier_uri is not None:
            return urlsplit(self.sector_identifier_uri).hostname
        hosts = {host for uri in self.redirect_uris if (host := urlsplit(uri).hostname) and host not in _LOOPBACK}
        if not hosts:
            return f"client {self.client_id}"
        return hosts.pop() if len(hosts) == 1 else None

    @property
    def remembers_consent(self) -> bool:
        if self.remember_consent is not None:
            return self.remember_consent
        return not (self.public and self.impersonable)

    @property
    def impersonable(self) -> bool:
        """Whether another program on the same device could receive this client's answers (RFC 8252 8.6)."""
        return self.application_type == "native" or any(urlsplit(uri).scheme != "https" for uri in self.redirect_uris)


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A scope the operator adds: what it is called, what it means in plain words, which account claims it opens."""

    name: str
    description: str = ""
    claims: tuple[str, ...] = ()


class Resource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A resource server by its indicator (RFC 8707): the ``aud`` of its tokens and the scopes it understands."""

    uri: str
    name: str = ""
    scopes: tuple[str, ...] = ()
    access_token_signed_response_alg: str | None = None
    access_token_lifetime: float | None = None
    access_token_format: Literal["jwt", "opaque"] = "jwt"  # opaque: the API asks introspection about each


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person as the protocol sees them: ``id`` is ours and the public ``sub``, ``claims`` the standard claims of OIDC
    Core 5.1 but for ``updated_at``, which is in Unix seconds."""

    id: str
    username: str
    claims: dict[str, Any]
    disabled: bool = False
    updated_at: float | None = None
