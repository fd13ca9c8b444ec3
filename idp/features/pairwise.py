"""Pairwise subjects (OpenID Connect Core 8): a person is another ``sub`` in each sector of apps.

What computes it is not switched off with this: an app that was promised pairwise subjects keeps them.
"""

from __future__ import annotations

from idp.features.feature import Feature
from idp.sector import check_sector

PAIRWISE = Feature(
    "pairwise subjects",
    registration_checks=(check_sector,),
    metadata=lambda settings: {"subject_types_supported": ["pairwise"]},
)
