"""What is counted, by name: the one list of the metrics, and the ``Meters`` that the server tells.

``METRICS`` is also the page's table (docs/observe.md). In several processes counters and histograms are summed; a gauge
says how the workers' values become one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from starlette.types import Scope

import idp
from idp.watch.metrics import Words, registry


class Metric(NamedTuple):
    """``across`` for gauges alone: how the values of several workers become one."""

    kind: str
    labels: tuple[str, ...]
    meaning: str
    across: str = ""


_REQUESTS = (0.005, 0.025, 0.1, 0.5, 2.5)
_WRITES = (0.001, 0.005, 0.025, 0.1, 0.5, 2.0)

METRICS: Mapping[str, Metric] = {
    "idp_requests_total": Metric(
        "counter", ("endpoint", "method", "status"), "Requests by endpoint, method and status class (2xx; none)."
    ),
    "idp_requests_turned_away_total": Metric(
        "counter", (), "Requests refused unread, as too many were under way (503); not among the requests above."
    ),
    "idp_request_seconds": Metric("histogram", ("endpoint",), "From the head of a request to the end of its answer."),
    "idp_tokens_issued_total": Metric("counter", ("grant_type",), "Token answers by grant type."),
    "idp_logins_total": Metric(
        "counter", ("outcome",), "Passwords tried: success, wrong_password, unknown_person, disabled, busy, throttled."
    ),
    "idp_refusals_total": Metric("counter", ("error",), "Refused requests by the error word the client was given."),
    "idp_logout_deliveries_total": Metric(
        "counter", ("outcome",), "Tries at a back-channel logout: delivered, failed (tried again), given_up."
    ),
    "idp_logout_deliveries_pending": Metric("gauge", (), "Back-channel logouts that have not arrived yet.", "livemax"),
    "idp_passwords_hashing": Metric("gauge", (), "Passwords in the hashing pool.", "livesum"),
    "idp_passwords_waiting": Metric("gauge", (), "Sign-ins that wait for their turn to be hashed.", "livesum"),
    "idp_signing_key_age_seconds": Metric(
        "gauge", ("alg",), "How long the key that signs has been signing.", "livemax"
    ),
    "idp_signing_key_next_switch_seconds": Metric(
        "gauge", ("alg",), "Until the next key takes over.", "livemin"
    ),
    "idp_keys_published": Metric("gauge", ("alg",), "Keys in the JWKS.", "livemax"),
    "idp_database_seconds": Metric(
        "histogram", ("kind",), "A read, a write until it is durable, or a snapshot; waiting included."
    ),
    "idp_database_unavailable_total": Metric("counter", (), "Operations the database could not do."),
    "idp_job_success_timestamp_seconds": Metric(
        "gauge", ("job",), "When a job last ended well (the job 'keys' is the keyring's look at its ring).", "livemin"
    ),
    "idp_build_info": Metric("gauge", ("version",), "Always 1; the version is the label.", "livemax"),
}
_BUCKETS = {"idp_request_seconds": _REQUESTS, "idp_database_seconds": _WRITES}


class PrometheusMeters:
    """Every metric of ``METRICS``, once a process."""

    def __init__(self, into: Any) -> None:
        found = {name: _made(name, metric, into) for name, metric in METRICS.items()}
        self._requests = Words(found["idp_requests_total"])
        self._turned_away = found["idp_requests_turned_away_total"]
        self._request_seconds = Words(found["idp_request_seconds"])
        self._tokens = Words(found["idp_tokens_issued_total"])
        self._logins = Words(found["idp_logins_total"])
        self._refusals = Words(found["idp_refusals_total"])
        self._logouts = Words(found["idp_logout_deliveries_total"])
        self._jobs = Words(found["idp_job_success_timestamp_seconds"])
        self._database = Words(found["idp_database_seconds"])
        self.unavailable = found["idp_database_unavailable_total"]
        self.logouts_pending = found["idp_logout_deliveries_pending"]
        self.hashing = found["idp_passwords_hashing"]
        self.waiting = found["idp_passwords_waiting"]
        self.key_age = Words(found["idp_signing_key_age_seconds"])
        self.key_switch = Words(found["idp_signing_key_next_switch_seconds"])
        self.keys_published = Words(found["idp_keys_published"])
        found["idp_build_info"].labels(idp.__version__).set(1)

    def request(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        self._requests.of(endpoint, method, _CLASSES[status // 100] if status < 600 else "none").inc()
        self._request_seconds.of(endpoint).observe(seconds)

    def turned_away(self) -> None:
        self._turned_away.inc()

    def database(self, kind: str, seconds: float) -> None:
        self._database.of(kind).observe(seconds)

    def token(self, grant_type: str) -> None:
        self._tokens.of(grant_type).inc()

    def login(self, outcome: str) -> None:
        self._logins.of(outcome).inc()

    def refusal(self, error: str) -> None:
        self._refusals.of(error).inc()

    def logout(self, outcome: str) -> None:
        self._logouts.of(outcome).inc()

    def job(self, name: str, at: float) -> None:
        self._jobs.of(name).set(at)


_CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")


class Requests:
    """An observer of the outermost layer. ``endpoints``: path to label; every other path counts as one."""

    def __init__(self, meters: PrometheusMeters, endpoints: Mapping[str, str]) -> None:
        self._meters = meters
        self._endpoints = endpoints

    def __call__(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"]
        self._meters.request(
            self._endpoints.get(scope["path"], "other"), method if method in _METHODS else "other", status, seconds
        )


_METHODS = frozenset(("GET", "HEAD", "POST", "OPTIONS"))


def _made(name: str, metric: Metric, into: Any) -> Any:
    from prometheus_client import Counter, Gauge, Histogram

    if metric.kind == "histogram":
        return Histogram(name, metric.meaning, metric.labels, registry=into, buckets=_BUCKETS[name])
    if metric.kind == "gauge":
        return Gauge(name, metric.meaning, metric.labels, registry=into, multiprocess_mode=metric.across)  # type: ignore[arg-type]
    return Counter(name, metric.meaning, metric.labels, registry=into)


@cache
def meters() -> PrometheusMeters:
    """The process's own: several applications in one process (tests) count together."""
    return PrometheusMeters(registry())
