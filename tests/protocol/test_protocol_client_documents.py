"""What a document's address must be, which hosts are listed, and how the profile and its settings read."""

from __future__ import annotations

import pytest

from idp.protocol.client_documents import is_json, is_listed, url_problem
from idp.settings import SettingsError, load
from idp.settings_profiles import PROFILES, told

GIVEN = {"issuer": "https://id.example.com", "data_dir": "data"}


@pytest.mark.parametrize(
    ("url", "hosts", "good"),
    [
        ("https://app.example.com/c", ("app.example.com",), True),
        ("https://APP.example.com/c", ("app.example.com",), True),
        ("https://a.app.example.com/c", ("app.example.com",), False),
        ("https://a.app.example.com/c", ("*.example.com",), True),
        ("https://example.com/c", ("*.example.com",), False),
        ("https://evilexample.com/c", ("*.example.com",), False),
        ("https://app.example.com.evil/c", ("app.example.com", "*.example.com"), False),
        ("https://app.example.com:444/c", ("app.example.com",), False),
        ("https://app.example.com:444/c", ("app.example.com:444",), True),
        ("https://app.example.com/c", (), False),
    ],
)
def test_listed(url: str, hosts: tuple[str, ...], good: bool) -> None:
    assert is_listed(url, hosts) is good


@pytest.mark.parametrize(
    ("content_type", "good"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/client-id-metadata+json", True),
        ("text/json", False),
        ("application/jsonp", False),
        ("application/+json", False),
        ("", False),
    ],
)
def test_json(content_type: str, good: bool) -> None:
    assert is_json(content_type) is good


def test_a_query_and_a_port_are_allowed() -> None:
    """Section 3: a port MAY be there, a query SHOULD NOT, and that is the app's affair."""
    assert url_problem("https://app.example.com:8443/c.json?v=2") is None


def test_a_profile_is_a_bundle_of_defaults() -> None:
    settings = load(None, {}, "serve", {**GIVEN, "profile": "mcp"})
    assert settings.client_documents.mode == "any"
    assert settings.client_documents.resources == ("*",)
    assert settings.announce_resources is True
    assert all(not changed for _, _, changed in told(settings))


def test_each_of_them_can_be_said_otherwise() -> None:
    environ = {"IDP_CLIENT_DOCUMENTS_MODE": "listed", "IDP_CLIENT_DOCUMENTS_HOSTS": "app.example.com"}
    settings = load(None, environ, "serve", {**GIVEN, "profile": "mcp", "announce_resources": False})
    assert (settings.client_documents.mode, settings.announce_resources) == ("listed", False)
    assert [name for name, _, changed in told(settings) if changed] == ["client_documents.mode", "announce_resources"]


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_sound(name: str) -> None:
    load(None, {}, "serve", {**GIVEN, "profile": name})
    load(None, {}, "dev", {"profile": name})


@pytest.mark.parametrize(
    "given",
    [
        {"client_documents.mode": "listed"},
        {"client_documents.mode": "any", "client_documents.hosts": ("app.example.com",)},
        {"profile": "mcp", "client_documents.hosts": ("app.example.com",)},
        {"client_documents.mode": "listed", "client_documents.hosts": ("https://app.example.com",)},
        {"client_documents.mode": "listed", "client_documents.hosts": ("App.example.com",)},
        {"client_documents.mode": "listed", "client_documents.hosts": ("*",)},
        {"client_documents.mode": "listed", "client_documents.hosts": ("app.*.com",)},
        {"client_documents.cache_least": 600, "client_documents.cache_most": 60},
    ],
)
def test_settings_that_mean_nothing_together(given: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"hosts|mode|least"):
        load(None, {}, "serve", {**GIVEN, **given})


