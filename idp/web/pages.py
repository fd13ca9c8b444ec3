"""The pages people see: one template each, working without JavaScript, with headers that allow none but one line.

A page is a name and its context. A context it does not know, or lacks, is refused here and not in a browser.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from gettext import NullTranslations
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from starlette.responses import Response

import idp
from idp.web.compiled import COMPILED
from idp.web.locale import catalogues, choose
from idp.web.shown import compare, destination, image_uri, web_uri
from idp.web.static import Static


@dataclass(frozen=True, slots=True)
class Asker:
    """The client as a person sees it. Addresses that are not fit to be shown are left out, not refused.

    ``host`` is set for a client that nobody registered: its name is its own word, and the host all that is certain.
    """

    name: str
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    host: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """Who is signed in: the name they sign in with, and what they are called where that is known."""

    username: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """One line of the consent page. ``data`` is what exactly will be told, by claim name (OIDC Core 5.1).

    ``title`` and ``description`` are for scopes of one's own; the standard ones have words in the templates.
    """

    name: str
    title: str = ""
    description: str = ""
    data: Mapping[str, str | bool] = field(default_factory=dict)


# The line of claims that are asked for one by one: its name is no scope's, which hold no spaces.
SINGLE = "single claims"


@dataclass(frozen=True, slots=True)
class Resource:
    """A protected resource the access is good for (RFC 8707)."""

    uri: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and when a device asked: its ``network`` (empty: not known), and whether this browser is in it too."""

    minutes_ago: int
    network: str
    same: bool | None


@dataclass(frozen=True, slots=True)
class Problem:
    """What a developer needs to mend a refused request; shown in dev mode only.

    ``expected`` may be several values, of which the nearest is compared. ``command`` is one line to type.
    """

    rule: str
    received: str = ""
    expected: str | Sequence[str] = ""
    command: str = ""


# The script people meet, each a line that the policy names by its hash; where it does not run, a button does the same.
POST_ITSELF = "document.forms[0].submit()"
# A frame that never comes must not hold a person for ever.
GO_ON = "{const f=()=>document.getElementById('logged-out-continue').click();onload=f;setTimeout(f,5000)}"


class _Page(NamedTuple):
    status: int
    required: frozenset[str]
    optional: Mapping[str, Any]


def _page(status: int, required: str, **optional: Any) -> _Page:
    return _Page(status, frozenset(required.split()), optional)


PAGES: Mapping[str, _Page] = {
    "login": _page(
        200, "action t", client=None, login_hint="", errors=(), reason="", retry_after=0, cancel=False, create=False
    ),
    "sign-up": _page(
        200, "action t", client=None, account=None, wish="", username="", errors=(), weakness=None, retry_after=0
    ),
    "consent": _page(200, "action t client account scopes redirect_uri", resources=()),
    "select-account": _page(200, "action t account", client=None),
    "logout": _page(200, "action t", account=None, client=None, also=()),
    "logged-out": _page(200, "", client=None, login="", frames=(), return_to=""),
    "error": _page(400, "code correlation_id", sentence="", client=None, developer=None),
    "home": _page(200, "account logout"),
    "account": _page(
        200, "actions t account shown", done="", errors=(), weakness=None, retry_after=0, changes_password=True
    ),
    "device": _page(200, "action t account other", user_code="", errors=(), retry_after=0),
    "device-confirm": _page(200, "action t client account code origin scopes", resources=()),
    "device-done": _page(200, "outcome", client=None),
    "busy": _page(503, "", retry="", retry_after=0),
    "form-post": _page(200, "client redirect_uri members"),
    "welcome": _page(200, "issuer discovery jwks people commands", account="", token=""),
    "token": _page(200, "script keys"),
}

# One compiled template serves all languages; macros imported without context find the language too.
_speaking: ContextVar[NullTranslations] = ContextVar("_speaking")

_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Passkeys stay possible: publickey-credentials-get is not in the list.
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
# The app learns from whom the form comes, as its Origin header, and nothing of the address it stood at.
_HEADERS_BY_PAGE = {"form-post": {"Referrer-Policy": "strict-origin"}}


class Pages:
    """All pages of one issuer.

    ``templates_dir`` is a theme: its templates, its ``static/`` files and its ``locale/`` messages win over
    the packaged ones, which stay reachable as ``idp/<name>``. ``issuer`` gives the host people are shown and
    the path before ``/static``, ``operator_mail`` whom the error page sends them to. Raises ``ValueError`` or
    a Jinja2 error when the theme cannot be read.
    """

    def __init__(
        self,
        templates_dir: Path | None,
        default_locale: str = "en",
        *,
        issuer: str = "",
        operator_mail: str | None = None,
    ) -> None:
        packaged = templates_root()
        if templates_dir is not None and not templates_dir.is_dir():
            raise ValueError(f"templates_dir {templates_dir} is not a directory")
        roots = [packaged] if templates_dir is None else [packaged, templates_dir]
        self._catalogues = catalogues(roots)
        if default_locale not in self._catalogues:
            known = ", ".join(self._catalogues)
            raise ValueError(f"default locale {default_locale!r} has no catalogue; known are {known}")
        self._default = default_locale
        where = urlsplit(issuer)
        self.static = Static([root / "static" for root in roots], where.path.rstrip("/") + "/static")
        environment = _environment(roots)
        environment.globals.update(asset=self.static.url, themed="theme.css" in self.static, host=where.netloc)
        environment.globals.update(operator_mail=operator_mail, post_itself=POST_ITSELF, go_on=GO_ON)
        # Compiled now: a theme that cannot be compiled stops the start, not a sign-in.
        self._templates = {name: environment.get_template(f"{name}.html") for name in PAGES}

    @property
    def locales(self) -> tuple[str, ...]:
        """The languages there are catalogues for."""
        return tuple(self._catalogues)

    def choose(self, ui_locales: str | None, accept_language: str | None) -> str:
        """The language of ``locales`` that serves this person best."""
        return choose(ui_locales, accept_language, available=self.locales, default=self._default)

    def page(self, name: str, *, locale: str, status: int | None = None, **context: Any) -> Response:
        """Render a page of ``PAGES``; ``status`` defaults to the page's own.

        Raises ``TypeError`` where the context is not the one ``PAGES`` lists.
        """
        shape = PAGES[name]
        if missing := shape.required - context.keys():
            raise TypeError(f"page {name} lacks {', '.join(sorted(missing))}")
        if unknown := context.keys() - shape.required - shape.optional.keys():
            raise TypeError(f"page {name} does not know {', '.join(sorted(unknown))}")
        values = {**shape.optional, **context}
        language = locale if locale in self._catalogues else self._default
        token = _speaking.set(self._catalogues[language])
        try:
            text = self._templates[name].render(values, page=name, locale=language)
        finally:
            _speaking.reset(token)
        # Foreign text cannot write this tag, so it tells whether a logo is really shown.
        logo = values["client"].logo_uri if '<img class="emblem"' in text else ""
        headers = {
            **_HEADERS,
            **_HEADERS_BY_PAGE.get(name, {}),
            "Content-Language": language,
            "Content-Security-Policy": _policy(image_uri(logo), _scripts(name, values), values.get("frames", ())),
        }
        if values.get("retry_after"):
            headers["Retry-After"] = str(values["retry_after"])
        # A half of a surrogate pair may come in with a hint; it must not end as a 500.
        body = text.encode("utf-8", "replace")
        return Response(body, status or shape.status, headers, media_type="text/html")


def _scripts(name: str, values: Mapping[str, Any]) -> str:
    """The directives for the one script a page may have."""
    if name == "token":  # it reads what somebody pastes: no way out, not even a form
        return " script-src 'self'; form-action 'none';"
    line = POST_ITSELF if name == "form-post" else ""
    if name == "logged-out" and values["frames"] and values["return_to"]:
        line = GO_ON
    digest = base64.b64encode(hashlib.sha256(line.encode()).digest()).decode("ascii")
    return f" script-src 'sha256-{digest}';" if line else ""


def _policy(picture: str, scripts: str, frames: Sequence[str]) -> str:
    # No form-action: Chromium applies it to every redirect after the submission, and sign-on ends elsewhere.
    source = ""
    if picture:
        parts = urlsplit(picture)
        source = f" {parts.scheme}:" if parts.scheme != "http" else f" http://{parts.netloc}"
    images = f"img-src 'self'{source}"
    origins = sorted({f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, frames)})
    framed = f" frame-src {' '.join(origins)};" if origins else ""
    return f"default-src 'none';{scripts}{framed} style-src 'self'; {images}; base-uri 'none'; frame-ancestors 'none'"


def templates_root() -> Path:
    """The packaged templates where a wheel is installed, else those of the checkout."""
    package = Path(idp.__file__).parent
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def _gettext(message: str) -> str:
    return _speaking.get().gettext(message)


def _ngettext(one: str, many: str, count: int) -> str:
    return _speaking.get().ngettext(one, many, count)


def _environment(roots: Sequence[Path]) -> Environment:
    packaged, *themes = (FileSystemLoader(root) for root in roots)
    environment = Environment(
        loader=ChoiceLoader([PrefixLoader({"idp": packaged}), *themes, packaged]),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
        bytecode_cache=COMPILED,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.filters.update(web_uri=web_uri, image_uri=image_uri, destination=destination, compare=compare)

    install: Any = environment
    install.install_gettext_callables(_gettext, _ngettext, newstyle=True)
    return environment
