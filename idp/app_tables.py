"""Tables by path: what answers, and which requests count as what when a process has too many (decision 27)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from idp.admission import Admission
from idp.features import Feature
from idp.settings import Settings
from idp.web.dispatch import Handler
from idp.web.health import healthz, readyz


def admission_of(base: str, settings: Settings, public: Iterable[str]) -> Admission:
    """Public documents and health are never turned away; sign-ins wait for the password pool, so they count apart."""
    passwords = settings.passwords
    hashing = (passwords.workers or os.cpu_count() or 1) + passwords.queue
    return Admission(
        settings.overload.in_flight,
        settings.overload.waiting,
        exempt=frozenset(path.encode() for path in (*public, f"{base}/healthz", f"{base}/readyz")),
        sign_ins=frozenset(f"{base}{path}".encode() for path in ("/login", "/account/password", "/api/token/")),
        hashing=hashing + settings.overload.in_flight,  # the pool's own refusal is a page that keeps the form
    )


def endpoints_of(base: str, features: Sequence[Feature]) -> dict[str, dict[str, Handler]]:
    """Path to method to handler, under the issuer's path."""
    # HEAD is answered only here: elsewhere GET may issue a code, or sign somebody out.
    health = (("/healthz", healthz), ("/readyz", readyz))
    table: dict[str, dict[str, Handler]] = {
        f"{base}{path}": {"GET": handler, "HEAD": handler} for path, handler in health
    }
    for endpoint in (endpoint for feature in features for endpoint in feature.endpoints):
        methods = table.setdefault(f"{base}{endpoint.path}", {})
        methods |= dict.fromkeys(endpoint.methods, endpoint.handler)
    return table
