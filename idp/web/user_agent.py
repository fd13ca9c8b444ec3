"""What a browser says of itself, in words a person knows: enough to tell the phone from the laptop, and no more.

Browsers name their ancestors too, so the youngest name is looked for first. What is not known is not guessed.
"""

from __future__ import annotations

from typing import NamedTuple

_BROWSERS = (
    ("Edg", "Edge"),  # Edg/, EdgA/, EdgiOS/
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),  # Brave says this too, on purpose
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),  # an iPad that asks for desktop sites says this too
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
)


class Device(NamedTuple):
    """Either may be empty: not known."""

    browser: str
    system: str


def device_of(user_agent: str | None) -> Device:
    """Browser and system by a User-Agent header (RFC 9110 10.1.5)."""
    text = user_agent or ""
    if not text.startswith("Mozilla/"):  # every browser does; programs say what they like
        return Device("", "")
    return Device(_first(text, _BROWSERS), _first(text, _SYSTEMS))


def _first(text: str, names: tuple[tuple[str, str], ...]) -> str:
    return next((name for mark, name in names if mark in text), "")
