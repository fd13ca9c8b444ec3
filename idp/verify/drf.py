"""Django REST framework: an authentication class, and permissions that ask for scopes.

    TOKEN_VERIFIER = {"ISSUER": "https://id.example.com", "AUDIENCE": "https://api.example.com"}
    REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["idp.verify.drf.TokenAuthentication"]}

    class Notes(APIView):
        permission_classes = [requires_by_method(GET="read", POST="write")]

``TOKEN_VERIFIER`` holds the arguments of ``SyncVerifier`` in capitals, and ``BASE_URL``, ``REALM``, ``USER``.
``request.auth`` is the ``VerifiedToken``, ``request.user`` somebody whose ``pk`` is the token's ``sub``, with no row in
the database.
"""

import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission

from .adapting import Asked, Demand, SyncGuard, again, escaped, is_preflight
from .claims import VerifiedToken
from .refused import Refused
from .verifier import SyncVerifier

SETTING = "TOKEN_VERIFIER"
_OWN = ("BASE_URL", "REALM", "USER")
_SCHEMES = ("bearer", "dpop")
_MAKING = threading.Lock()


@dataclass(frozen=True, slots=True)
class TokenUser:
    """Whom a token is about, for code that expects a Django user; it may nothing that Django's permissions give."""

    pk: str
    is_active = is_authenticated = True
    is_anonymous = is_staff = is_superuser = False

    @property
    def id(self) -> str:
        return self.pk

    @property
    def username(self) -> str:
        return self.pk

    def get_username(self) -> str:
        return self.pk

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return False

    def has_perms(self, perms: Iterable[str], obj: object = None) -> bool:
        return False

    def has_module_perms(self, package: str) -> bool:
        return False

    def __str__(self) -> str:
        return self.pk


class TokenRefused(APIException):  # type: ignore[misc]
    """A refusal as Django REST framework answers it, whatever other authentication classes there are."""

    def __init__(self, refused: Refused) -> None:
        status, headers, body = guard().answer(refused)
        super().__init__(body)
        self.status_code = status
        self.auth_header = headers.get("www-authenticate")


class TokenAuthentication(BaseAuthentication):  # type: ignore[misc]
    """Takes ``Authorization: Bearer`` and ``DPoP``; leaves a request with neither to the classes after it.

    ``USER`` names a function of the ``VerifiedToken`` that answers a user (perhaps a row of yours), or None for
    somebody who is unknown here; an inactive user is refused too.
    """

    def authenticate(self, request: Any) -> tuple[Any, VerifiedToken] | None:
        scheme = request.headers.get("authorization", "").strip().partition(" ")[0].lower()
        if scheme not in _SCHEMES:
            return None
        kept = vars(request._request).setdefault("_idp_tokens", {})
        try:
            token = guard().verified(_asked(request), Demand(), kept)
            return _user(token), token
        except Refused as refused:
            raise TokenRefused(refused) from refused

    def authenticate_header(self, request: Any) -> str:
        """WWW-Authenticate for a request that came without a token."""
        try:
            guard().verified(Asked("GET", "/", ()), Demand(), {})
        except Refused as refused:
            return guard().challenge(refused)
        raise ImproperlyConfigured(f"{SETTING}: the verifier took a request without a token")


class _Requires(BasePermission):  # type: ignore[misc]
    demands: Mapping[str | None, Demand] = {None: Demand()}

    def has_permission(self, request: Any, view: Any) -> bool:
        if is_preflight(request.method, map(str.lower, request.headers)):
            return True
        method = "GET" if request.method in ("HEAD", "OPTIONS") else request.method
        demand = self.demands.get(method, self.demands.get(None))
        if demand is None or not isinstance(request.auth, VerifiedToken):
            return False
        try:
            again(guard().verifier, request.auth, demand)
        except Refused as refused:
            raise TokenRefused(refused) from refused
        return True


def requires(
    *scopes: str, acr_values: str | Iterable[str] = (), max_age: float | None = None
) -> type[_Requires]:
    """A permission class: a token with all ``scopes``, of a sign-in as ``Verifier.verify`` describes it."""
    demand = Demand.of(scopes, acr_values, max_age)
    return type("Requires", (_Requires,), {"demands": {None: demand}})


def requires_by_method(**scopes: str | Iterable[str]) -> type[_Requires]:
    """A permission class with the scopes of each method; those of GET also for HEAD and OPTIONS. Others are denied."""
    demands = {method.upper(): Demand.of(words, (), None) for method, words in scopes.items()}
    return type("RequiresByMethod", (_Requires,), {"demands": demands})


def guard() -> SyncGuard:
    """The verifier of the project, made at the first request; ``ImproperlyConfigured`` where the settings are wrong."""
    with _MAKING:  # two would each remember their own proofs
        return _made()


@functools.cache
def _made() -> SyncGuard:
    given = getattr(settings, SETTING, None) or {}
    arguments = {name.upper() for name in inspect.signature(SyncVerifier).parameters}
    unknown = sorted(set(given) - arguments - set(_OWN))
    if unknown:
        raise ImproperlyConfigured(f"{SETTING} holds {', '.join(unknown)}; known are {sorted(arguments | set(_OWN))}")
    try:
        verifier = SyncVerifier(**{name.lower(): value for name, value in given.items() if name not in _OWN})
        return SyncGuard(verifier, given.get("BASE_URL"), given.get("REALM"))
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"{SETTING}: {error}") from error


def _user(token: VerifiedToken) -> Any:
    found: str | Callable[[VerifiedToken], Any] | None = getattr(settings, SETTING, {}).get("USER")
    if found is None:
        return TokenUser(token.subject)
    user = (import_string(found) if isinstance(found, str) else found)(token)
    if user is None or not getattr(user, "is_active", True):
        raise Refused("subject", "nobody who may use this API goes by the sub of this token")
    return user


def _asked(request: Any) -> Asked:
    return Asked(request.method, escaped(request.path), request.headers)


def _settings_changed(*, setting: str, **_: Any) -> None:
    if setting == SETTING:
        _made.cache_clear()


setting_changed.connect(_settings_changed)  # what override_settings of a project's tests sends
