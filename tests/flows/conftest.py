"""One provider a module, apps ``web``, ``spa`` and ``native``, a fresh browser a test.

The core of the flows runs twice: against the provider alone, and as a part of somebody's app (docs/mounting.md).
"""

from __future__ import annotations

import pytest
from support.fixtures import provider, visitor

__all__ = ["provider", "visitor"]

MOUNTED_TOO = frozenset(
    f"test_flow_{name}"
    for name in (
        *("account", "account_password", "authorization_code", "client_authentication", "consent", "cors", "device"),
        *("form_post", "frontchannel_logout", "id_token", "introspection", "issuer_identification", "jwks", "logout"),
        *("prompts", "pushed", "redirect_uris", "refresh", "revocation", "sign_in", "userinfo"),
    )
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "provider" in metafunc.fixturenames and metafunc.module.__name__ in MOUNTED_TOO:
        metafunc.parametrize("provider", ("alone", "mounted"), indirect=True, scope="module")
