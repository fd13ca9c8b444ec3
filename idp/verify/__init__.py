"""Owns how a resource server decides about an access token: finding an issuer's keys, caching them, judging
the claims, and saying a refusal. It does not own how tokens are made, and knows no web framework.

    verifier = Verifier("https://id.example.com", "https://api.example.com")
    try:
        token = await verifier.verify(bearer_token(headers.get("authorization")), scopes=["read"])
    except Refused as refused:
        answer(refused.status, {"WWW-Authenticate": refused.www_authenticate()}, str(refused))

Tokens that are bound to a key (DPoP) are taken with the request they came with, and never without:

    token = await verifier.verify_request(method, "https://api.example.com/notes", headers, scopes=["read"])

``SyncVerifier`` is the same without ``await``, for Django and Flask.

It needs the base install alone: cryptography, joserfc and the standard library.
"""

from .bearer import bearer_token
from .claims import VerifiedToken
from .fetch import Fetch, FetchError, Post, Response
from .introspection import Introspection
from .proofs import Dpop, MemoryReplays, Replays
from .refused import Refused
from .resource import Resource
from .verifier import SyncVerifier, Verifier

__all__ = [
    "Dpop",
    "Fetch",
    "FetchError",
    "Introspection",
    "MemoryReplays",
    "Post",
    "Refused",
    "Replays",
    "Resource",
    "Response",
    "SyncVerifier",
    "VerifiedToken",
    "Verifier",
    "bearer_token",
]
