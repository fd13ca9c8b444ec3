"""The protected resource of the first minute; ``dev`` only."""

from __future__ import annotations

from idp.features.feature import Endpoint, Feature
from idp.web.sample import hello, home

SAMPLE = Feature(
    "sample resource",
    endpoints=(
        Endpoint("/", ("GET",), home, "nobody", "docs/first-lesson.md"),
        Endpoint("/hello", ("GET",), hello, "access token", "RFC 6750"),
    ),
    active=lambda settings: settings.mode == "dev",
)
