"""What a URI must be before it may stand in a client's registration (RFC 9700 2.1, RFC 8252 7, RFC 8707 2).

Each function answers None or the one rule that is broken.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from idp.config.addresses import is_loopback_host
from idp.config.problems import Problem, quoted
from idp.config.reach import Reach

MAX_URI = 2000
MAX_REQUEST_URI = 512  # OIDC Core 6.2
# RFC 3986 2: unreserved, reserved and the percent sign.
_NOT_IN_A_URI = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")
_SCRIPTS = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "view-source"})
_HTTPS = "https://..., or http:// for localhost, *.localhost, 127.0.0.0/8 or [::1]"


def redirect_uri_problem(uri: str, application_type: str) -> Problem | None:
    """A redirection endpoint: https, http on this machine, or a native app's own scheme (RFC 8252 7.1)."""
    found = _parts(uri)
    if isinstance(found, Problem):
        return found
    if found.scheme in ("http", "https"):
        return _web(uri, found)
    if found.scheme in _SCRIPTS:
        return _problem("this scheme runs or reads things in a browser", uri, _HTTPS, "use an https address")
    if application_type != "native":
        mend = 'use an https address, or write application_type = "native" for an installed app'
        return _problem("a web client is answered over https", uri, _HTTPS, mend)
    if "." not in found.scheme:
        mend = "take a scheme from a domain you own, such as com.example.app:/callback"
        return _problem("a private-use scheme is a reversed domain name (RFC 8252 7.1)", uri, "a dot in it", mend)
    return None


def web_uri_problem(uri: str) -> Problem | None:
    """A page or endpoint of the client: https, or http on this machine."""
    found = _parts(uri)
    if isinstance(found, Problem):
        return found
    if found.scheme not in ("http", "https"):
        return _problem("an address on the web", uri, _HTTPS, "use an https address")
    return _web(uri, found)


def request_uri_problem(uri: str) -> Problem | None:
    """Where a request object may be fetched; a fragment tells its versions apart (OIDC Registration 2)."""
    if len(uri) > MAX_REQUEST_URI:
        return _problem("a request_uri has at most 512 characters", f"{len(uri)}", "a shorter URI", "shorten it")
    return web_uri_problem(uri.partition("#")[0])
def fetched_uri_problem(uri: str, reach: Reach) -> Problem | None:
    """An address that the server fetches itself: https, and not a place it would never call.

    A host given as an address is judged here, a name when it is called: it may lead elsewhere by then.
    """
    problem = web_uri_problem(uri)
    if problem is not None:
        return problem
    parts = urlsplit(uri)
    if parts.scheme != "https" and not reach.loopback:
        return _problem("the server fetches over https only", uri, "https://...", "use https")
    if not reach.may_name(parts.hostname or ""):
        expected, mend = "an address on the public network", "use a public name, or set outbound.allow"
        return _problem("an address that this server may call", uri, expected, mend)
    return None


def origin_problem(origin: str) -> Problem | None:
    """An ``Origin`` header as a browser sends it: scheme, host, port, nothing after (RFC 6454 6.2)."""
    problem = web_uri_problem(origin)
    if problem is not None:
        return problem
    parts = urlsplit(origin)
    usual = {"https": 443, "http": 80}[parts.scheme]
    host = parts.netloc.lower()
    as_sent = f"{parts.scheme}://{host.removesuffix(f':{usual}')}"
    if origin != as_sent:
        return _problem("an origin is compared letter by letter", origin, "scheme://host[:port]", f"write {as_sent}")
    return None


def resource_problem(uri: str) -> Problem | None:
    """A resource indicator: an absolute URI without fragment (RFC 8707 2); a name, never called."""
    found = _parts(uri)
    if isinstance(found, Problem):
        return found
    if found.scheme in _SCRIPTS:
        return _problem("a resource is named by an ordinary URI", uri, "https://api.example.com", "rename it")
    if not (found.netloc or found.path):
        return _problem("a resource is an absolute URI (RFC 8707 2)", uri, "https://api.example.com", "complete it")
    return None


def _parts(uri: str) -> SplitResult | Problem:
    if not 0 < len(uri) <= MAX_URI:
        return _problem("a URI has 1 to 2000 characters", f"{len(uri)} characters", "a shorter URI", "shorten it")
    # Browsers drop tabs and newlines and turn "\" into "/": such a text has two meanings.
    if found := _NOT_IN_A_URI.search(uri):
        expected = f"no {quoted(found[0])}"
        return _problem("a URI has no such character (RFC 3986 2)", uri, expected, "percent-encode or remove it")
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        return _problem("a URI that can be taken apart", uri, f"a correct host and port ({error})", "correct it")
    if not parts.scheme:
        return _problem("a full URI with its scheme", uri, "https://...", f"write https://{uri.lstrip('/')}")
    if "#" in uri:
        return _problem("no fragment (RFC 6749 3.1.2)", uri, "no # in it", f"write {uri.partition('#')[0]}")
    if "@" in parts.netloc:
        return _problem("no user name before the host", uri, "no @ before the host", "take it out")
    return parts


def _web(uri: str, parts: SplitResult) -> Problem | None:
    if not parts.hostname:
        return _problem("a URI with a host", uri, _HTTPS, "add the host")
    if "*" in parts.netloc or "*" in parts.path:
        mend = "register each URI by itself"
        return _problem("URIs are compared as exact strings, there are no patterns", uri, "no *", mend)
    if any(segment in (".", "..") for segment in parts.path.split("/")):
        return _problem("a path without . and .. segments", uri, "the path they lead to", "write it out")
    if parts.scheme == "http" and not is_loopback_host(parts.hostname):
        return _problem("http only on this machine, everything else over https", uri, _HTTPS, "use https")
    return None


def _problem(rule: str, received: str, expected: str, mend: str) -> Problem:
    return Problem(rule=rule, received=quoted(received), expected=expected, mend=mend)
