"""Which plans of the suite are asked for, in which variant, and what our configuration of each must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

BASIC = ("cts-basic-1", "cts-basic-2", "cts-post")
FRONT = ("cts-front-1", "cts-front-2", "cts-front-post")
Registration = Literal["static_client", "dynamic_client"]


@dataclass(frozen=True, slots=True)
class Plan:
    """``name`` is ours; ``plan`` and ``variant`` are the suite's. ``clients`` says which clients the config names."""

    name: str
    plan: str
    group: str
    variant: Mapping[str, str] = field(default_factory=dict)
    clients: Literal["none", "secrets", "dynamic", "keys"] = "secrets"
    secrets: tuple[str, str, str] = BASIC  # client, client2 and client_secret_post, where they have secrets


def _certified(
    name: str,
    suite: str,
    group: str,
    registration: Registration,
    secrets: tuple[str, str, str] = BASIC,
    **variant: str,
) -> Plan:
    plan = f"{suite}-certification-test-plan"
    clients: Literal["secrets", "dynamic"] = "secrets" if registration == "static_client" else "dynamic"
    return Plan(name, plan, group, {"client_registration": registration, **variant}, clients, secrets)


def _both(group: str, registration: Registration) -> tuple[Plan, ...]:
    ending = "" if registration == "static_client" else "-dynamic-clients"

    def one(name: str, suite: str, client: str = BASIC[0], **variant: str) -> Plan:
        return _certified(f"{name}{ending}", suite, group, registration, (client, *BASIC[1:]), **variant)

    return (
        one("basic", "oidcc-basic", server_metadata="discovery"),
        one("formpost-basic", "oidcc-formpost-basic", server_metadata="discovery"),
        one("rp-initiated-logout", "oidcc-rp-initiated-logout", response_type="code"),
        one("backchannel-logout", "oidcc-backchannel-rp-initiated-logout", "cts-backchannel", response_type="code"),
        one("frontchannel-logout", "oidcc-frontchannel-rp-initiated-logout", "cts-frontchannel", response_type="code"),
    )


PLANS: tuple[Plan, ...] = (
    Plan("config", "oidcc-config-certification-test-plan", "A", clients="none"),
    *_both("A", "static_client"),
    *_both("B", "dynamic_client"),
    Plan(
        "fapi2",
        "fapi2-security-profile-final-test-plan",
        "C",
        {
            "client_auth_type": "private_key_jwt",
            "sender_constrain": "dpop",
            "openid": "openid_connect",
            "fapi_profile": "plain_fapi",
            "authorization_request_type": "simple",
        },
        clients="keys",
    ),
    Plan("dynamic", "oidcc-dynamic-certification-test-plan", "D", {"response_type": "code"}, clients="dynamic"),
    *(
        _certified(name, f"oidcc-{name}", "D", "static_client", FRONT, server_metadata="discovery")
        for name in ("implicit", "hybrid", "formpost-implicit", "formpost-hybrid")
    ),
)
BY_NAME: Mapping[str, Plan] = {plan.name: plan for plan in PLANS}
