"""Token exchange (RFC 8693) of tokens that are bound to a key (RFC 9449)."""

from __future__ import annotations

import pytest
from support import VERIFIER, App, Visitor, claims_of, register
from support.dpop import ProofKey

from idp.testing import Provider

pytestmark = pytest.mark.anyio

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
HERE, NEXT = "https://here.test/api", "https://next.test/api"
SHOP = App(
    "shop",
    "https://shop.test/cb",
    "secret-of-shop-0123456789abcdef",
    scope="openid",
    grant_types=("authorization_code", EXCHANGE),
    members={"resources": [HERE, NEXT], "token_exchange": ["impersonation"]},
)
SERVICE = App(
    "stock",
    "",
    "secret-of-stock-0123456789abcdef",
    scope="openid",
    grant_types=(EXCHANGE,),
    members={"resources": [NEXT], "audiences": [HERE], "token_exchange": ["delegation"]},
)


async def test_a_bound_token_is_exchanged_by_who_was_sent_it_or_has_its_key() -> None:
    async with Provider() as provider:
        await provider.apply(f'[[resources]]\nuri = "{HERE}"\n[[resources]]\nuri = "{NEXT}"')
        await register(provider, SHOP, SERVICE)
        key, url, visitor = ProofKey(provider.clock), f"{provider.issuer}/token", Visitor(provider)
        code = (await visitor.sign_on(SHOP.request(resource=HERE))).code
        await visitor.aclose()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": SHOP.redirect_uri}
        answer = await SHOP.call(
            provider.http, "/token", {**form, "code_verifier": VERIFIER}, DPoP=key.proof("POST", url)
        )
        token = answer.json()["access_token"]
        asked = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS, "resource": NEXT}

        for other in (None, ProofKey(provider.clock)):
            headers = {} if other is None else {"DPoP": other.proof("POST", url)}
            refused = await SHOP.call(provider.http, "/token", asked, **headers)
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
        own = await SHOP.call(provider.http, "/token", asked, DPoP=key.proof("POST", url))
        assert own.json()["token_type"] == "DPoP"

        services = ProofKey(provider.clock)
        sent = await SERVICE.call(provider.http, "/token", asked, DPoP=services.proof("POST", url))
        assert (await claims_of(provider.http, sent.json()["access_token"]))["cnf"] == {"jkt": services.jkt}
