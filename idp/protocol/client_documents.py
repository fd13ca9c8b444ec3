"""Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document): a client whose id is an address.

What the address must be, what must stand in the document, and what of it counts; fetching is ``web.client_documents``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from idp.config.addresses import is_loopback_host
from idp.config.problems import Problem, quoted
from idp.jose.errors import JoseError
from idp.jose.json import loads_strict
from idp.protocol.client import Client, Resource
from idp.protocol.registration import client_flaws
from idp.protocol.registration_uris import web_uri_problem

MAX_DOCUMENT = 5 * 1024  # bytes (8.7)
MAX_ID = 255
_JSON = re.compile(r"application/(?:[a-z0-9!#$&^_.+-]+\+)?json", re.ASCII)
# What a document decides. Anything else in it is ignored (RFC 7591 2), and so is what this server's operator decides.
# No logo: it could change after the person's yes, and would tell its host who looks (8.8).
_MEMBERS = (
    "client_name",
    "client_uri",
    "policy_uri",
    "tos_uri",
    "contacts",
    "redirect_uris",
    "grant_types",
    "response_types",
    "scope",
    "application_type",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "jwks",
    "jwks_uri",
    "id_token_signed_response_alg",
    "default_max_age",
    "require_auth_time",
)
_METHODS = ("none", "private_key_jwt")


class DocumentClient(Client, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A client nobody registered: it is what its document says, and is never stored."""

    digest: str = ""  # of the document, to tell a changed one

    @property
    def host(self) -> str:
        return host_of(self.client_id)


def host_of(url: str) -> str:
    """Host and port as people are shown them: ASCII, lower case."""
    return urlsplit(url).netloc.lower()


def looks_like_document(client_id: str) -> bool:
    return client_id.startswith(("https://", "http://"))


def url_problem(url: str, *, this_machine: bool = False) -> Problem | None:
    """The rule of section 3 that a client_id breaks. ``this_machine``: dev, where loopback may be meant, http too."""
    problem = web_uri_problem(url)
    if problem is not None:
        return problem
    parts = urlsplit(url)
    host = parts.hostname or ""
    local = this_machine and is_loopback_host(host)
    if not url.startswith("https://") and not (local and url.startswith("http://")):
        return _problem("a document's address is https (section 3)", url, "https://..., in lower case")
    if len(url) > MAX_ID:
        return _problem(f"a client_id has at most {MAX_ID} characters", f"{len(url)} characters", "a shorter address")
    if parts.path in ("", "/"):
        return _problem("a document's address has a path (section 3)", url, "https://host/path")
    if any(unquote(segment) in (".", "..") for segment in parts.path.split("/")):
        return _problem("a path without . and .. segments (section 3)", url, "the path they lead to")
    if not local and (is_loopback_host(host) or _is_address(host)):
        return _problem("an app is known by a name, never by an address", url, "a public host name")
    return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Older spellings of IPv4 (2130706433, 127.1, 0x7f.1): no name of a host ends in a number.
        last = host.rstrip(".").rpartition(".")[2]
        return last.isdigit() or last.startswith("0x")
    return True


def is_listed(url: str, hosts: Sequence[str]) -> bool:
    """Whether the address's host is one of ``hosts``, or below one written ``*.suffix``."""
    host = host_of(url)
    return any(host == entry or (entry.startswith("*.") and host.endswith(entry[1:])) for entry in hosts)


def is_json(content_type: str) -> bool:
    return _JSON.fullmatch(content_type.partition(";")[0].strip().lower()) is not None


def read_document(
    url: str, body: bytes, *, algorithms: Collection[str], grant_types: Collection[str], digest: str = ""
) -> DocumentClient | Problem:
    """The client that ``body``, fetched at ``url``, describes; or why it describes none."""
    try:
        said = loads_strict(body)
    except JoseError as error:
        return _problem("a document is JSON (section 4)", str(error), "one JSON object")
    if not isinstance(said, dict):
        return _problem("a document is a JSON object (section 4)", type(said).__name__, "{...}")
    if said.get("client_id") != url:
        return _problem("client_id in the document is its address, letter by letter", str(said.get("client_id")), url)
    for name in ("client_secret", "client_secret_expires_at"):
        if name in said:
            return _problem("a public document holds no secret (section 4.1)", name, f"no {name}")
    method = said.get("token_endpoint_auth_method", "none")
    if method not in _METHODS:
        return _problem("no shared secret (section 4.1)", str(method), " or ".join(_METHODS))
    try:
        client = _client(url, said, method, grant_types, digest)
    except msgspec.ValidationError as error:
        return _problem("client metadata (RFC 7591 2)", str(error), "the types registered for these names")
    flaws = client_flaws(client, algorithms=algorithms, grant_types=grant_types)
    return flaws[0].problem if flaws else client


def _client(
    url: str, said: Mapping[str, Any], method: str, grant_types: Collection[str], digest: str
) -> DocumentClient:
    offered = {name: said[name] for name in _MEMBERS if name in said and name in Client.__struct_fields__}
    # RFC 7591 2: what a server does not offer may be left out of what a client would like.
    for name, known in (("grant_types", grant_types), ("response_types", ("code",))):
        if isinstance(offered.get(name), list):
            offered[name] = [word for word in offered[name] if word in known]
    if "application_type" not in offered:
        offered["application_type"] = "native" if _on_the_device(offered.get("redirect_uris")) else "web"
    offered |= {"client_id": url, "token_endpoint_auth_method": method, "digest": digest}
    return msgspec.convert({"scope": "", **offered}, DocumentClient)


def _on_the_device(redirect_uris: Any) -> bool:
    """A program on the person's machine, which has no web address to be answered at (RFC 8252 7)."""
    uris = [uri for uri in redirect_uris if isinstance(uri, str)] if isinstance(redirect_uris, list) else []
    return any(not uri.startswith("https://") for uri in uris)


def admitted(
    client: DocumentClient, scopes: Sequence[str], resources: Sequence[str], known: Mapping[str, Resource], every: bool
) -> DocumentClient:
    """``client`` with what the operator lets such apps ask for; where it names scopes itself, no others than those."""
    uris = tuple(sorted(known)) if every else tuple(uri for uri in resources if uri in known)
    words = dict.fromkeys([*scopes, *(word for uri in uris for word in known[uri].scopes)])
    named = client.scope.split()
    return msgspec.structs.replace(
        client, scope=" ".join(word for word in words if not named or word in named), resources=uris
    )


def _problem(rule: str, received: str, expected: str) -> Problem:
    mend = "The app's developer corrects the document or the client_id; docs/client-documents.md has the rules."
    return Problem(rule=rule, received=quoted(received, 300), expected=expected, mend=mend)
