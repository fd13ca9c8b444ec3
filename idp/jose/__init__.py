"""Owns how JOSE is done here: which algorithms exist, how tokens are signed, read and proved, what a key must
look like, the rules of a cached key set. It does not own which key signs when, what claims mean, any network.

A leaf: it imports joserfc, cryptography and the standard library, nothing of this project.
"""

from .compact import Token, read_unverified, sign_compact, verify_compact
from .errors import JoseError
from .json import loads_strict
from .jwks_cache import KeySetCache, in_loop, in_thread
from .jwks_caches import KeySetCaches
from .jwks_rules import CacheLimits, Fetched
from .keys import generate_private_key, thumbprint
from .keyset import KeySet
from .public import PublicKey
from .signer import LocalSigner, Signer

__all__ = [
    "CacheLimits",
    "Fetched",
    "JoseError",
    "KeySet",
    "KeySetCache",
    "KeySetCaches",
    "LocalSigner",
    "PublicKey",
    "Signer",
    "Token",
    "generate_private_key",
    "in_loop",
    "in_thread",
    "loads_strict",
    "read_unverified",
    "sign_compact",
    "thumbprint",
    "verify_compact",
]
