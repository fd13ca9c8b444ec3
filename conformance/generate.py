"""Writes what a plan needs: the clients' keys once, and one configuration for each plan.

    python -m conformance.generate --issuer https://op.test:9443 --suite https://suite.test:8443 --out /somewhere
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, RSAKey

from conformance.browser import Browser
from conformance.plans import PLANS, Plan

KEYED = ("cts-pkjwt-1", "cts-pkjwt-2")
ALIAS = "ourop"
SCOPE = "openid profile email offline_access"  # offline_access: or the module of refresh tokens has none


def config(plan: Plan, issuer: str, suite: str, alias: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of ``plan``; ``suite`` is its own address, ``keys`` the keyed clients' private JWK Sets."""
    browser = Browser(issuer, suite.rstrip("/"))
    discovery = f"{issuer}/.well-known/openid-configuration"
    found: dict[str, Any] = {
        "alias": alias,
        "description": f"idp: {plan.name}",
        "server": {"discoveryUrl": discovery, "login_hint": "casey"},
        "options": {"browsercontrol_css_enable": False},
    }
    if plan.clients == "none":
        return found
    found |= {"browser": browser.default(), "override": browser.overrides()}
    if plan.clients == "secrets":
        names = ("client", "client2", "client_secret_post")
        found |= {name: _with_secret(client_id) for name, client_id in zip(names, plan.secrets, strict=True)}
    elif plan.clients == "dynamic":
        found["client"] = {"client_name": "Conformance, registered by itself"}
        found["client2"] = {"client_name": "Conformance, registered by itself too"}
    else:
        for name, client_id in zip(("client", "client2"), KEYED, strict=True):
            found[name] = {"client_id": client_id, "scope": SCOPE, "jwks": keys[client_id]}
        found["resource"] = {"resourceUrl": f"{issuer}/userinfo"}
    return found


def _with_secret(client_id: str) -> dict[str, str]:
    """As ``idp/cli/conformance_seed.toml`` registers it."""
    return {"client_id": client_id, "client_secret": f"{client_id}-secret-0123456789abcdef"}


def make_keys(folder: Path) -> dict[str, Any]:
    """The keyed clients' private key sets, made once; ``<client>.json`` beside them holds the public ones.

    Each has one key, as the suite wants it; the first an RSA key, so that RS256 with it can be seen refused.
    """
    found = {}
    rsa = RSAKey.generate_key(2048, {"alg": "PS256", "use": "sig"}, auto_kid=True)
    made: dict[str, ECKey | RSAKey] = dict.fromkeys(KEYED, rsa)
    made[KEYED[1]] = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True)
    folder.mkdir(parents=True, exist_ok=True)
    for client_id in KEYED:
        private = folder / f"{client_id}.private.json"
        if not private.exists():
            key = made[client_id]
            private.touch(mode=0o600)
            private.write_text(json.dumps({"keys": [key.as_dict(private=True)]}), encoding="utf-8")
            public = {"keys": [key.as_dict(private=False)]}
            (folder / f"{client_id}.json").write_text(json.dumps(public), encoding="utf-8")
        found[client_id] = json.loads(private.read_text(encoding="utf-8"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--suite", required=True)
    parser.add_argument("--alias", default=ALIAS)
    parser.add_argument("--out", type=Path, required=True, help="a folder: keys/ and one <plan>.json each")
    asked = parser.parse_args()
    keys = make_keys(asked.out / "keys")
    for plan in PLANS:
        text = json.dumps(config(plan, asked.issuer, asked.suite, asked.alias, keys), indent=1)
        (asked.out / f"{plan.name}.json").write_text(text, encoding="utf-8")
    print(f"wrote {len(PLANS)} configurations to {asked.out}")
    print(f"serve with SUITE_KEYS={asked.out / 'keys'} ALIAS={asked.alias}")


if __name__ == "__main__":
    main()
