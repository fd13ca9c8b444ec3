"""OAuth 2.0 Form Post Response Mode: the answer comes as a form, in nobody's history and no server's log."""

from __future__ import annotations

from idp.features.feature import Feature
from idp.web.delivery import form_post

FORM_POST = Feature("form post", response_modes={"form_post": form_post})
