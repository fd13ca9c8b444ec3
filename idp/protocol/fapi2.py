"""The FAPI 2.0 Security Profile (final), as one word of a client or of the whole server.

It adds no protocol: it takes choices away. What it fixes of a client stands in ``applied``, what a client must be in
``unfit``, what a request must hold in ``check``; sections are those of the profile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from idp.config.addresses import is_loopback_host
from idp.protocol.client import Client
from idp.protocol.errors import Refused
from idp.protocol.registration_parts import Flaw, flaw
from idp.protocol.request import PUSHED, Draft

NAME = "fapi2"
ALGORITHMS = ("PS256", "ES256", "EdDSA", "Ed25519")  # 5.4.1
_DEFAULTED = (
    "access_token_signed_response_alg",
    "authorization_signed_response_alg",
    "introspection_signed_response_alg",
)
CODE_LIFETIME = 60.0  # seconds (5.3.2.1)


def applied(client: Client, server_profile: str = "none", algorithms: Collection[str] = ()) -> Client:
    """``client`` with what the profile decides for it; as it is where neither it nor the server keeps the profile.

    ``algorithms`` are those this server signs with: what it signs beside ID tokens gets the first that the profile
    allows, unless the client names one. ID tokens do not: every client has them, and knows their default.
    """
    if NAME not in (client.profile, server_profile):
        return client
    named = {member: getattr(client, member) for member in _DEFAULTED}
    return msgspec.structs.replace(
        client,
        **{member: next(iter(strong((value, *algorithms))), value) for member, value in named.items()},
        profile=NAME,
        dpop_bound_access_tokens=True,  # 5.3.2.1: only sender-constrained access tokens
        require_pushed_authorization_requests=True,  # 5.3.2.2
        require_pkce=True,  # 5.3.2.2
        refresh_rotation=False,  # 5.3.2.1: no rotation but in extraordinary circumstances
        assertion_audience="issuer",  # 5.3.2.1
    )


def unfit(client: Client) -> Iterator[Flaw]:
    """What keeps ``client`` from keeping the profile; nothing of another client's."""
    if client.profile != NAME:
        return
    if client.token_endpoint_auth_method != "private_key_jwt":
        yield flaw(
            "token_endpoint_auth_method",
            "FAPI 2.0 clients prove a key (5.3.2.1)",
            client.token_endpoint_auth_method,
            "private_key_jwt",
            'write token_endpoint_auth_method = "private_key_jwt" and the client\'s public keys as jwks',
        )
    for member in client.__struct_fields__:
        if member.endswith(("_signing_alg", "_signed_response_alg")) and getattr(client, member) is not None:
            yield from _weak(member, getattr(client, member))
    if tuple(client.response_types) != ("code",):
        yield flaw(
            "response_types",
            "FAPI 2.0 knows the code flow alone (5.3.2.2)",
            list(client.response_types),
            '["code"]',
            "take the line out",
        )
    for index, uri in enumerate(client.redirect_uris):
        if not _sound_redirect(uri, client):
            yield flaw(
                "redirect_uris",
                "FAPI 2.0 answers over https, to a native app also on its loopback address (5.3.2.2)",
                uri,
                "https://...",
                "register an https address",
                index,
            )


def _weak(member: str, algorithm: str) -> Iterator[Flaw]:
    if algorithm not in ALGORITHMS:
        yield flaw(
            member,
            "FAPI 2.0 signs with PS256, ES256 or EdDSA (5.4.1)",
            algorithm,
            f"one of {', '.join(ALGORITHMS)} that this server has keys for",
            f'write {member} = "ES256"',
        )


def _sound_redirect(uri: str, client: Client) -> bool:
    parts = urlsplit(uri)
    if client.application_type == "native" and parts.scheme == "http":
        return is_loopback_host(parts.hostname)
    return parts.scheme != "http"


def refuse_unfit(client: Client) -> None:
    """For whom the server's profile came after its registration. Raises Refused with the first thing to mend."""
    for found in unfit(client):
        raise Refused(
            "unauthorized_client",
            "This client does not keep the FAPI 2.0 profile that is asked of it.",
            rule=found.problem.rule,
            received=f"{found.member} = {found.problem.received} of client {client.client_id}",
            expected=found.problem.expected,
            mend=found.problem.mend,
        )


def check(draft: Draft) -> dict[str, Any]:
    """5.3.2.2: pushed, for a code, with PKCE. For clients of the profile; after the checks of the core."""
    if draft.client.profile != NAME:
        return {}
    refuse_unfit(draft.client)
    if PUSHED not in draft.via:
        raise _refused(
            "Authorization requests of this client are pushed first.", "parameters in the address", "RFC 9126"
        )
    if draft.settled.get("response_type") != "code":
        raise _refused("Only response_type=code is offered to this client.", "another response_type", "code")
    if draft.settled.get("code_challenge") is None:
        raise _refused("PKCE with S256 is required, also beside a nonce.", "no code_challenge", "code_challenge (S256)")
    return {}


def _refused(description: str, received: str, expected: str) -> Refused:
    return Refused(
        "invalid_request",
        description,
        rule="FAPI 2.0 Security Profile 5.3.2.2",
        received=received,
        expected=expected,
        mend="Send the parameters to the pushed_authorization_request_endpoint first, with code_challenge among them.",
    )


def code_lifetime(client: Client, seconds: float) -> float:
    """5.3.2.1: 60 seconds at most."""
    return min(seconds, CODE_LIFETIME) if client.profile == NAME else seconds


def strong(algorithms: Collection[str]) -> tuple[str, ...]:
    """What the profile leaves of a list of algorithms (5.4.1)."""
    return tuple(name for name in algorithms if name in ALGORITHMS)


def signing_algorithms(client: Client, algorithms: Sequence[str]) -> Sequence[str]:
    """What this client may sign its assertions and request objects with (5.4.1)."""
    return strong(algorithms) if client.profile == NAME else algorithms


def acceptable_audience(audience: object, client: Client, accepted: Collection[str]) -> bool:
    """The ``aud`` of a client assertion: one of ``accepted``, alone; for the profile a plain text (5.3.2.1)."""
    if client.profile == NAME:
        return isinstance(audience, str) and audience in accepted
    return any(audience in (name, [name]) for name in accepted)


def narrowed(document: Mapping[str, Any]) -> dict[str, Any]:
    """A server's metadata under the profile: no algorithm, method or flow that every client would be refused."""
    announced = dict(document)
    for name, value in document.items():
        signing = name.endswith("_signing_alg_values_supported")
        # OpenID Connect Discovery 3 wants RS256 among those of ID tokens, whoever uses it.
        if signing and name != "id_token_signing_alg_values_supported":
            announced[name] = list(strong(value))
        elif name.endswith("_endpoint_auth_methods_supported"):
            announced[name] = [method for method in value if method == "private_key_jwt"]
    if "authorization_endpoint" in document:
        announced["response_types_supported"] = ["code"]
    if "pushed_authorization_request_endpoint" in document:
        announced["require_pushed_authorization_requests"] = True
    return announced

