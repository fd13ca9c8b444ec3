"""A token taken apart in the browser, offline; ``dev`` only."""

from __future__ import annotations

from idp.features.feature import Endpoint, Feature
from idp.web.dev_token import PAGE, SCRIPT, page, script

DEV_TOKEN = Feature(
    "token page",
    endpoints=(
        Endpoint(PAGE, ("GET",), page, "nobody", "docs/seeing.md"),
        Endpoint(SCRIPT, ("GET",), script, "nobody", "docs/seeing.md"),
    ),
    active=lambda settings: settings.mode == "dev",
)
