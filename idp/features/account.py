"""People's own page: their password, where they are signed in, which apps may see what, and what happened lately."""

from __future__ import annotations

from idp.features.authorization import LOGIN
from idp.features.feature import Endpoint, Feature
from idp.features.logout import LOGGED_OUT
from idp.web.account import account_page
from idp.web.account_lists import end_sessions, withdraw_app
from idp.web.account_password import change_password

_SOURCE = "docs/account.md"

ACCOUNT = Feature(
    "account page",
    endpoints=(
        Endpoint("/account", ("GET",), account_page, "person", _SOURCE),
        Endpoint("/account/password", ("POST",), change_password, "person", _SOURCE),
        Endpoint("/account/sessions", ("POST",), end_sessions, "person", _SOURCE),
        Endpoint("/account/apps", ("POST",), withdraw_app, "person", _SOURCE),
        *LOGIN,
        LOGGED_OUT,
    ),
    active=lambda settings: settings.account_page,
)
