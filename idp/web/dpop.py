"""DPoP in requests (RFC 9449): the proof in the header ``DPoP``, judged, asked for a nonce, and spent once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from idp.jose import JoseError
from idp.jose.dpop import ALGORITHMS, Demands, Proof, check_proof
from idp.protocol.dpop import is_fresh_nonce, nonce_at
from idp.protocol.errors import Refused, registered_characters
from idp.protocol.fapi2 import NAME as FAPI2
from idp.protocol.fapi2 import strong
from idp.protocol.holder import Holder, confirms
from idp.server import Server
from idp.settings import Settings
from idp.store.spent import spend
from idp.web.context import web_of
from idp.web.holder import Binding

_CLOCKS_APART = 5.0  # seconds: no node that is ready is further from the database's clock


def accepted_algorithms(settings: Settings) -> tuple[str, ...]:
    return strong(ALGORITHMS) if settings.profile == FAPI2 else ALGORITHMS


async def _holder(http: Request, server: Server) -> Holder | None:
    proofs = http.headers.getlist("dpop")
    if not proofs:
        return None
    proof = await _spent_proof(http, server, proofs, None)
    return Holder("jkt", proof.jkt, "DPoP")


def _missing(server: Server) -> Refused:
    """RFC 9449 5.2: ``dpop_bound_access_tokens`` is a promise of the client's that it always sends a proof."""
    return _refused(server, "This client gets tokens for a proof of its key only: the DPoP header is missing.", 400)


async def _prove(http: Request, server: Server, token: str, claims: Mapping[str, Any]) -> None:
    """RFC 9449 7.1: the token is bound, and this request was signed by its key."""
    if "cnf" not in claims:
        raise _refused(server, "The access token is not bound to a key: send it as Bearer.", 401, "invalid_token")
    await _spent_proof(http, server, http.headers.getlist("dpop"), token, claims)


async def _spent_proof(
    http: Request, server: Server, proofs: Sequence[str], token: str | None, claims: Mapping[str, Any] | None = None
) -> Proof:
    """The one proof of a request, used up. Errors are 400 at the server's own endpoints, 401 where a token comes."""
    status = 400 if token is None else 401
    if len(proofs) != 1:
        raise _refused(server, f"The request holds {len(proofs) or 'no'} DPoP headers, expected one.", status)
    try:
        proof = check_proof(proofs[0], _demands(http, server, token), server.now())
    except JoseError as error:
        raise _refused(server, f"The DPoP proof is refused: {error}.", status) from None
    if claims is not None and not confirms(claims, "jkt", proof.jkt):
        raise _refused(server, "The proof is signed by another key than the access token is bound to.", status)
    _check_nonce(server, proof, status)
    if not await server.database.write(spend, "dpop", proof.name, proof.until + _CLOCKS_APART):
        raise _refused(server, "The DPoP proof was used before; each request is signed anew.", status)
    return proof


def _demands(http: Request, server: Server, token: str | None) -> Demands:
    # The address as it is announced, whatever Host or a proxy says (decision 13).
    url = server.issuer + http.scope["path"].removeprefix(web_of(http).base)
    return Demands(http.method, url, token, accepted_algorithms(server.settings))


def _check_nonce(server: Server, proof: Proof, status: int) -> None:
    """RFC 9449 8 and 9."""
    if server.settings.dpop.nonce != "required":
        return
    if proof.nonce is None or not is_fresh_nonce(_secret(server), proof.nonce, server.now()):
        raise _refused(server, "The DPoP proof holds no fresh nonce of this server.", status, "use_dpop_nonce")


def _headers(server: Server) -> dict[str, str]:
    """RFC 9449 8.2: the nonce for the next request, before the one at hand grows old."""
    if server.settings.dpop.nonce != "required":
        return {}
    return {"DPoP-Nonce": nonce_at(_secret(server), server.now())}


def _secret(server: Server) -> bytes:
    return server.keyring.secret("dpop-nonce")


def _challenge(server: Server) -> str:
    return f'algs="{" ".join(accepted_algorithms(server.settings))}"'


def _refused(server: Server, description: str, status: int, error: str = "invalid_dpop_proof") -> Refused:
    headers = _headers(server)
    if status == 401:
        text = registered_characters(description)
        headers["WWW-Authenticate"] = f'DPoP error="{error}", error_description="{text}", {_challenge(server)}'
    return Refused(
        error,
        description,
        rule="RFC 9449 8" if error == "use_dpop_nonce" else "RFC 9449 4.3",
        received=description,
        expected="one DPoP header with a proof made for this very request",
        mend="Let the client library make a new proof for each request; idp decode PROOF shows what is inside.",
        status=status,
        headers=headers,
    )


DPOP = Binding("DPoP", _holder, _missing, _prove, _challenge, _headers)
