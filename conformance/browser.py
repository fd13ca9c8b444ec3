"""What the suite's browser does on our pages, in the suite's words: it knows them by the page contract alone
(docs/conformance.md), never by how they look.
"""

from __future__ import annotations

from typing import Any

Task = dict[str, Any]
Entry = dict[str, Any]

PERSON, PASSWORD = "casey", "casey-password"
ERROR_SENTENCE = "cannot continue this request"
SHOW, MAY_SHOW = "update-image-placeholder", "update-image-placeholder-optional"

# Modules that end on our own page: the page is the answer, so it becomes the screenshot.
ERROR_AT_AUTHORIZE = (
    "oidcc-ensure-registered-redirect-uri",
    "oidcc-ensure-redirect-uri-in-authorization-request",
    "oidcc-redirect-uri-query-added",
    "oidcc-redirect-uri-query-mismatch",
    "oidcc-ensure-request-object-with-redirect-uri",
)
LOGIN_SHOWN = ("oidcc-prompt-login", "oidcc-max-age-1")
LOGIN_ONLY = ("oidcc-registration-logo-uri", "oidcc-registration-policy-uri", "oidcc-registration-tos-uri")
ERROR_AT_LOGOUT = tuple(
    f"oidcc-rp-initiated-logout-{name}"
    for name in (
        "bad-post-logout-redirect-uri",
        "query-added-to-post-logout-redirect-uri",
        "modified-id-token-hint",
        "bad-id-token-hint",
        "no-id-token-hint",
    )
)
_FAPI2 = "fapi2-security-profile-final"
DENIED = (f"{_FAPI2}-user-rejects-authentication",)
# The same address is opened twice; the first time only to look.
OPENED_TWICE = (f"{_FAPI2}-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds",)
# A good request may come first; the one the module is about ends on our page.
ERROR_AFTER_ALL = tuple(
    f"{_FAPI2}-{name}"
    for name in (
        "par-attempt-reuse-request_uri",
        "par-attempt-to-use-expired-request_uri",
        "par-attempt-to-use-request_uri-for-different-client",
        "ensure-unsigned-authorization-request-without-using-par-fails",
        "ensure-redirect-uri-in-authorization-request",
    )
)
LOGGED_OUT = tuple(
    f"oidcc-rp-initiated-logout-{name}" for name in ("no-params", "no-post-logout-redirect-uri", "only-state")
)


class Browser:
    """``issuer`` is the provider's, ``suite`` the suite's own address: a request has the callback in its query too."""

    def __init__(self, issuer: str, suite: str) -> None:
        self._issuer = issuer
        self._suite = suite

    def default(self) -> list[Entry]:
        return [self._authorize(), self._logout(self._returned())]

    def overrides(self) -> dict[str, Any]:
        """Per module; each replaces ``default`` whole."""
        shown = {name: [self._authorize(shown=MAY_SHOW), self._logout(self._returned())] for name in LOGIN_SHOWN}
        logins = {name: [self._login_only()] for name in LOGIN_ONLY}
        errors = {name: [self._error(f"{self._issuer}/authorize*")] for name in ERROR_AT_AUTHORIZE}
        refused = {name: [self._authorize(), self._error(f"{self._issuer}/logout*")] for name in ERROR_AT_LOGOUT}
        out = {name: [self._authorize(), self._logout(self._logged_out())] for name in LOGGED_OUT}
        denied = {name: [self._refuse()] for name in DENIED}
        twice = {name: [self._look_once(), self._authorize()] for name in OPENED_TWICE}
        last = {name: [self._error_after_all()] for name in ERROR_AFTER_ALL}
        every = shown | logins | errors | refused | out | denied | twice | last
        return {name: {"browser": browser} for name, browser in every.items()}

    def _authorize(self, shown: str | None = None) -> Entry:
        return {
            "match": f"{self._issuer}/authorize*",
            "tasks": [self._sign_in(shown), self._allow(), self._back()],
        }

    def _refuse(self) -> Entry:
        """At the login page: an earlier module's consent may be remembered, and nobody asked again."""
        no = {"task": "cancel", "match": f"{self._issuer}/login*", "commands": [["click", "id", "login-cancel"]]}
        return {"match": f"{self._issuer}/authorize*", "tasks": [no, self._back()]}

    def _look_once(self) -> Entry:
        look = ["wait", "id", "login-title", 10]
        seen = {"task": "the login page", "match": f"{self._issuer}/login*", "commands": [look]}
        return {"match": f"{self._issuer}/authorize*", "match-limit": 1, "tasks": [seen]}

    def _error_after_all(self) -> Entry:
        match = f"{self._issuer}/authorize*"
        look = ["wait", "id", "oauth-error", 10, ERROR_SENTENCE, MAY_SHOW]
        page = {"task": "error page", "optional": True, "match": match, "commands": [look]}
        back = {**self._back(), "optional": True}
        return {"match": match, "tasks": [self._sign_in(None), self._allow(), back, page]}

    def _sign_in(self, shown: str | None) -> Task:
        look = [["wait", "id", "login-title", 10, "Sign in", shown]] if shown else []
        return {
            "task": "sign in",
            "optional": True,
            "match": f"{self._issuer}/login*",
            "commands": [
                *look,
                ["text", "name", "username", PERSON],
                ["text", "name", "password", PASSWORD],
                ["click", "id", "login-submit"],
            ],
        }

    def _allow(self) -> Task:
        return {
            "task": "allow",
            "optional": True,
            "match": f"{self._issuer}/consent*",
            "commands": [["click", "id", "consent-allow"]],
        }

    def _back(self) -> Task:
        return {
            "task": "back at the suite",
            "match": f"{self._suite}/test/*/callback*",
            "commands": [["wait", "id", "submission_complete", 10]],
        }

    def _login_only(self) -> Entry:
        look = ["wait", "id", "login-title", 10, "Sign in", SHOW]
        return {
            "match": f"{self._issuer}/authorize*",
            "tasks": [{"task": "the login page", "match": f"{self._issuer}/login*", "commands": [look]}],
        }

    def _error(self, match: str) -> Entry:
        look = ["wait", "id", "oauth-error", 10, ERROR_SENTENCE, SHOW]
        return {"match": match, "tasks": [{"task": "error page", "match": match, "commands": [look]}]}

    def _logout(self, end: Task) -> Entry:
        confirm = {
            "task": "confirm",
            "optional": True,
            "match": f"{self._issuer}/logout*",
            "commands": [["click", "id", "logout-confirm", "optional"]],
        }
        return {"match": f"{self._issuer}/logout*", "tasks": [confirm, end]}

    def _returned(self) -> Task:
        return {"task": "returned", "match": f"{self._suite}/test/*/post_logout_redirect*"}

    def _logged_out(self) -> Task:
        return {
            "task": "logged out",
            "match": f"{self._issuer}/logged-out*",
            "commands": [["wait", "id", "logged-out", 10, "signed out", SHOW]],
        }
