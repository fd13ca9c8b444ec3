"""A service that calls an API as itself, and proves who it is with a key only it has (private_key_jwt, RFC 7523).

    python service.py register    make the key, print the entry for the provider
    python service.py             hand in a report
"""

import sys
import time
from pathlib import Path

import httpx2
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

ISSUER, API, CLIENT_ID = "http://localhost:8000", "http://localhost:8005", "night-report"
KEY_FILE = Path(__file__).with_name("private-key.pem")

ENTRY = """[[clients]]
client_id = "{client_id}"
client_name = "Night report"
token_endpoint_auth_method = "private_key_jwt"
grant_types = ["client_credentials"]
scope = "reports:write"
resources = ["{api}"]

[[clients.jwks.keys]]
{members}
"""


def private_key() -> ECKey:
    """Made where it is used, readable for its owner alone, and never anywhere else."""
    if not KEY_FILE.exists():
        KEY_FILE.touch(mode=0o600)
        KEY_FILE.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    key = ECKey.import_key(KEY_FILE.read_bytes())
    return ECKey.import_key(key.as_dict(private=True) | {"kid": key.thumbprint()})


def entry(key: ECKey) -> str:
    """What the provider is told: the public half."""
    public = key.as_dict(private=False) | {"use": "sig", "alg": "ES256"}
    members = "\n".join(f'{name} = "{value}"' for name, value in public.items())
    return ENTRY.format(client_id=CLIENT_ID, api=API, members=members)


class Tokens:
    """One token for as long as it lives: asking for another before each call would be two requests in place of one."""

    def __init__(self, key: ECKey) -> None:
        self.client = OAuth2Client(CLIENT_ID, key, token_endpoint_auth_method="private_key_jwt", trust_env=False)
        # `aud` is the issuer, not the address of /token: an assertion made for one provider is good at no other.
        headers = {"kid": key.kid}
        self.client.register_client_auth_method(PrivateKeyJWT(ISSUER, headers=headers, alg="ES256"))
        self.token, self.renew_at = "", 0.0

    def __call__(self) -> str:
        if time.monotonic() >= self.renew_at:
            answer = self.client.fetch_token(f"{ISSUER}/token", grant_type="client_credentials", resource=API)
            self.token, self.renew_at = answer["access_token"], time.monotonic() + answer["expires_in"] - 30
        return str(self.token)


def main() -> None:
    key = private_key()
    if sys.argv[1:] == ["register"]:
        print(entry(key), end="")
        return
    tokens = Tokens(key)
    for report in ("the lights are out", "the doors are shut"):
        bearer = {"authorization": f"Bearer {tokens()}"}
        answer = httpx2.post(f"{API}/reports", json={"report": report}, headers=bearer, trust_env=False)
        print(answer.status_code, answer.text)


if __name__ == "__main__":
    main()
