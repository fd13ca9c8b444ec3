"""The FAPI 2.0 Security Profile (final): choices taken away, for the clients or the server that keep it."""

from __future__ import annotations

from idp.features.feature import Feature
from idp.protocol.fapi2 import check

FAPI2 = Feature("FAPI 2.0 profile", checks=(check,))
