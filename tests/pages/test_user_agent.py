"""What browsers say of themselves, and what a person is told: real headers of each family, and what is none."""

from __future__ import annotations

import pytest

from idp.web.user_agent import device_of

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/126.0.0.0 Safari/537.36"
_ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT}"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_IPAD = "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "browser", "system"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox", "Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox", "Windows"),
        ("Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0", "Firefox", "Android"),
        (f"{_IPHONE} FxiOS/127.0 Mobile/15E148 Safari/605.1.15", "Firefox", "iPhone"),
        (_WINDOWS, "Chrome", "Windows"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_WEBKIT} Chrome/126.0.0.0 Safari/537.36", "Chrome", "ChromeOS"),
        (f"{_ANDROID} Chrome/126.0.0.0 Mobile Safari/537.36", "Chrome", "Android"),
        (f"{_IPAD} CriOS/126.0.6478.108 Mobile/15E148 Safari/604.1", "Chrome", "iPad"),
        (f"{_WINDOWS} Edg/126.0.0.0", "Edge", "Windows"),
        (f"{_ANDROID} Chrome/126.0.0.0 Mobile Safari/537.36 EdgA/126.0.0.0", "Edge", "Android"),
        (f"{_IPHONE} Version/17.0 EdgiOS/126.0.2592.86 Mobile/15E148 Safari/604.1", "Edge", "iPhone"),
        (f"{_WINDOWS} OPR/112.0.0.0", "Opera", "Windows"),
        (f"{_WINDOWS} Vivaldi/6.8", "Vivaldi", "Windows"),
        (f"{_ANDROID} SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36", "Samsung Internet", "Android"),
        (f"{_MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15", "Safari", "macOS"),
        (f"{_IPHONE} Version/17.5 Mobile/15E148 Safari/604.1", "Safari", "iPhone"),
        ("Mozilla/5.0 (Nintendo Switch; WebApplet)", "", ""),
        ("Mozilla/5.0 (Windows NT 10.0)", "", "Windows"),
        ("curl/8.5.0", "", ""),
        ("python-httpx/0.28 Firefox/1 on Linux", "", ""),
        ("", "", ""),
        (None, "", ""),
    ],
)
def test_a_browser_is_named_by_its_youngest_name(user_agent: str | None, browser: str, system: str) -> None:
    assert device_of(user_agent) == (browser, system)
