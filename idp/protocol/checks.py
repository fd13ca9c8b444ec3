"""The checks every authorization request passes, one rule each, in the order of ``CORE_CHECKS``."""

from __future__ import annotations

import re
from typing import Any

from idp.protocol.client import Client
from idp.protocol.errors import Refused, visible
from idp.protocol.request import Check, Draft, Rules
from idp.protocol.response_modes import misuse

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)  # base64url of a SHA-256 (RFC 7636 4.2, S256 only)
_LOCALE = re.compile(r"[A-Za-z0-9-]{1,35}", re.ASCII)
_MAX_TEXT = 4096


def response_type(draft: Draft) -> dict[str, Any]:
    # RFC 6749 3.1.1: the order of the words means nothing; ours is the alphabet's.
    value = " ".join(sorted(draft.parameters.require("response_type").split(" ")))
    if value not in draft.rules.response_types:
        raise Refused(
            "unsupported_response_type",
            "This server does not offer that response_type.",
            rule="RFC 6749 3.1.1",
            received=visible(value),
            expected=" or ".join(sorted(draft.rules.response_types)),
            mend="Use response_type=code with PKCE.",
        )
    if value not in draft.client.response_types:
        raise Refused(
            "unauthorized_client",
            "This client may not use that response_type.",
            rule="RFC 6749 4.1.2.1",
            received=value,
            expected=" or ".join(draft.client.response_types),
            mend=f"Add it to response_types of client {draft.client.client_id} and run idp apply FILE.",
        )
    return {"response_type": value}


def response_mode(draft: Draft) -> dict[str, Any]:
    value = draft.parameters.get("response_mode")
    if value is not None and value not in draft.rules.response_modes:
        raise Refused(
            "invalid_request",
            "This server does not offer that response_mode.",
            rule="OAuth 2.0 Multiple Response Types 2.1",
            received=visible(value),
            expected=" or ".join(sorted(draft.rules.response_modes)),
            mend="Leave response_mode out: codes are delivered in the query.",
        )
    unfit = misuse(draft.parameters)
    if unfit is not None:
        raise unfit
    return {}


def request_objects(draft: Draft) -> dict[str, Any]:
    for name in ("request", "request_uri", "registration"):
        if draft.parameters.get(name) is not None:
            raise Refused(
                f"{name}_not_supported",
                f"The parameter {name} is not offered here.",
                rule="OpenID Connect Core 3.1.2.6",
                received=name,
                expected="plain parameters",
                mend=f"Send the values as parameters instead of in {name}.",
            )
    return {}


def text_sizes(draft: Draft) -> dict[str, Any]:
    for name, value in draft.parameters.pairs():
        if len(value) > _MAX_TEXT:
            raise Refused(
                "invalid_request",
                "A parameter is too long.",
                rule="bounded input",
                received=f"{visible(name, 40)} with {len(value)} characters",
                expected=f"at most {_MAX_TEXT} characters",
                mend="Keep large state on your own server and send a short reference to it.",
            )
    return {}


def scope(draft: Draft) -> dict[str, Any]:
    asked = draft.parameters.words("scope")
    return {"scope": allowed_scopes(asked, draft.client, draft.rules)}


def allowed_scopes(asked: tuple[str, ...], client: Client, rules: Rules) -> tuple[str, ...]:
    """What exists of ``asked`` (OIDC Core 3.1.2.1 ignores unknown words); raises where the client may not have it."""
    known = tuple(word for word in asked if word in rules.scopes)
    if client.host:
        # RFC 6749 3.3: nobody told an unregistered app what it may ask for, so it gets what is allowed of it.
        known = tuple(word for word in known if word in client.scopes)
    beyond = [word for word in known if word not in client.scopes]
    if beyond or (asked and not known):
        raise Refused(
            "invalid_scope",
            "The client may not ask for that scope.",
            rule="RFC 6749 3.3",
            received=visible(" ".join(beyond or asked)),
            expected=" ".join(sorted(client.scopes & rules.scopes)) or "none",
            mend=f"Add the scope to client {client.client_id} and run idp apply FILE, or leave it out.",
        )
    return known


def offline_access(draft: Draft) -> dict[str, Any]:
    """OIDC Core 11: without a refresh token to give, ``offline_access`` is quietly left out of the grant."""
    words = draft.settled["scope"]
    if "offline_access" in words and "refresh_token" not in draft.client.grant_types:
        words = tuple(word for word in words if word != "offline_access")
    return {"scope": words}


def resources(draft: Draft) -> dict[str, Any]:
    return {"resources": allowed_resources(draft.parameters.all("resource"), draft.client, draft.rules)}


def allowed_resources(asked: tuple[str, ...], client: Client, rules: Rules) -> tuple[str, ...]:
    """RFC 8707 2: absolute URIs without fragment that exist here and that this client may ask tokens for."""
    for uri in asked:
        known = uri == rules.issuer or (uri in rules.resources and uri in client.resources)
        if not known or len(asked) > 8:
            raise Refused(
                "invalid_target",
                "The requested resource is not one this client may use.",
                rule="RFC 8707 2",
                received=visible(uri) if not known else f"{len(asked)} resources",
                expected=" or ".join(client.resources) or "no resource parameter",
                mend=_mend_resource(uri, client, rules),
            )
    return tuple(dict.fromkeys(asked))


def _mend_resource(uri: str, client: Client, rules: Rules) -> str:
    """A slash too many or too few is the commonest reason, and invisible to whoever looks for it."""
    twin = uri.removesuffix("/") if uri.endswith("/") else f"{uri}/"
    if twin in rules.resources and uri not in rules.resources:
        return f"It is registered as {twin}: indicators are compared letter by letter, so write it the same in both."
    if uri in rules.resources and client.host:
        return "Add it to client_documents.resources: apps known by a document may ask for those alone."
    return f"Register the resource and add it to resources of client {client.client_id}."


def pkce(draft: Draft) -> dict[str, Any]:
    """RFC 7636, S256 only. A confidential client may send a nonce instead (RFC 9700 2.1.1).

    Neither of the two is accepted only from a client exempted by name. Where no code is in the answer there is
    nothing to bind.
    """
    if not draft.wants("code"):
        return {"code_challenge": None}
    challenge = draft.parameters.get("code_challenge")
    method = draft.parameters.get("code_challenge_method")
    if challenge is None:
        if method is not None:
            raise _pkce("code_challenge_method without code_challenge")
        with_nonce = draft.parameters.get("nonce") is not None and "openid" in draft.settled["scope"]
        if draft.client.public or (draft.client.require_pkce and not with_nonce):
            raise _pkce("no code_challenge")
        return {"code_challenge": None}
    if method != "S256":
        raise _pkce(f"code_challenge_method {visible(method or '(absent, which means plain)', 40)}")
    if not _CHALLENGE.fullmatch(challenge):
        raise _pkce(f"a code_challenge of {len(challenge)} characters")
    return {"code_challenge": challenge}


def _pkce(received: str) -> Refused:
    return Refused(
        "invalid_request",
        "PKCE with S256 is required: send code_challenge and code_challenge_method=S256.",
        rule="RFC 9700 2.1.1, RFC 7636 4.3",
        received=received,
        expected="code_challenge of 43 base64url characters and code_challenge_method=S256",
        mend="Turn PKCE on in the client library; a confidential client without PKCE must send a nonce.",
    )


def nonce(draft: Draft) -> dict[str, Any]:
    return {"nonce": draft.parameters.get("nonce")}


def prompt(draft: Draft) -> dict[str, Any]:
    words = frozenset(draft.parameters.words("prompt"))
    offered = draft.rules.prompts
    if words - offered or ("none" in words and len(words) > 1):
        raise Refused(
            "invalid_request",
            "The prompt parameter holds a word that is not offered, or none beside another.",
            rule="OpenID Connect Core 3.1.2.1",
            received=visible(draft.parameters.get("prompt") or ""),
            expected=f"none alone, or any of {', '.join(sorted(offered - {'none'}))}",
            mend="Remove the other word.",
        )
    return {"prompt": words}


def max_age(draft: Draft) -> dict[str, Any]:
    text = draft.parameters.get("max_age")
    if text is None:
        return {"max_age": draft.client.default_max_age}
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise Refused(
            "invalid_request",
            "max_age is a number of seconds, 0 or more.",
            rule="OpenID Connect Core 3.1.2.1",
            received=visible(text, 40),
            expected="0 to 9999999999",
            mend="Send whole seconds.",
        )
    return {"max_age": int(text)}


def hints(draft: Draft) -> dict[str, Any]:
    locales = tuple(word for word in draft.parameters.words("ui_locales")[:10] if _LOCALE.fullmatch(word))
    return {
        "login_hint": draft.parameters.get("login_hint"),
        "acr_values": draft.parameters.words("acr_values"),
        "ui_locales": locales,
        "display": draft.parameters.get("display"),
    }


def state_and_uri_characters(draft: Draft) -> dict[str, Any]:
    state = draft.parameters.get("state") or ""
    if any(c < " " for c in state):
        raise Refused(
            "invalid_request",
            "state holds a control character.",
            rule="RFC 6749 A.5",
            received="a control character",
            expected="printable characters",
            mend="Send state as printable ASCII, for example base64url of 16 random bytes.",
        )
    return {}


CORE_CHECKS: tuple[Check, ...] = (
    request_objects,
    text_sizes,
    state_and_uri_characters,
    response_type,
    response_mode,
    scope,
    offline_access,
    resources,
    nonce,
    pkce,
    prompt,
    max_age,
    hints,
)
