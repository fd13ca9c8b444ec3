"""New keys, and the way of a private half into the database and back."""

from __future__ import annotations

import json
from dataclasses import dataclass

from idp.jose import JoseError, LocalSigner, PublicKey, Signer, thumbprint
from idp.jose.keys import generate_private_key, private_key_from_der, private_key_to_der, public_jwk
from idp.keyring.errors import KeyringError
from idp.keyring.held import HeldKey, public_key, unreadable
from idp.keyring.key_encryption import KeyEncryptionKey, KeyEncryptionRing, Randomness
from idp.store.keys import Material, StoredKey, key_purpose


@dataclass(frozen=True, slots=True, repr=False)
class NewKey:
    """A key that stands nowhere yet."""

    kid: str
    alg: str
    jwk: bytes
    private: bytes
    signer: Signer

    def sealed(self, under: KeyEncryptionKey, randomness: Randomness) -> Material:
        return Material(self.kid, self.jwk, under.seal(key_purpose(self.alg, self.kid), self.private, randomness))


def new_key(alg: str) -> NewKey:
    """Make a key. Takes up to half a second for RSA: call it in a thread."""
    private = generate_private_key(alg)
    # Its thumbprint is its name (RFC 7638): unique without asking anybody, and it ties the row to the key.
    kid = thumbprint(public_jwk(private))
    signer = LocalSigner(private, kid, alg)
    jwk = json.dumps(dict(signer.jwk()), separators=(",", ":"), sort_keys=True).encode()
    return NewKey(kid, alg, jwk, private_key_to_der(private), signer)


def open_key(stored: StoredKey, ring: KeyEncryptionRing, needed: bool, ready: Signer | None) -> HeldKey:
    """The row as a key in use. ``needed`` asks for the private half; ``ready`` is a signer this process has
    already.

    Never raises for a damaged row: the fault is kept with the key, because the others must go on.
    """
    life = stored.life
    public: PublicKey | None = None
    try:
        public = public_key(stored)
        signer = ready or (_signer(stored, ring) if needed else None)
    except KeyringError as fault:
        # What a withdrawn key has left is of no use to anybody, whole or not.
        return HeldKey(life, public, None, fault if life.revoked_at is None else None)
    return HeldKey(life, public, signer)


def _signer(stored: StoredKey, ring: KeyEncryptionRing) -> Signer:
    life = stored.life
    private = None if stored.sealed is None else ring.open(key_purpose(life.alg, life.kid), bytes(stored.sealed))
    if private is None:
        raise unreadable(life, f"{ring.source} does not open its private half")
    try:
        key = private_key_from_der(private)
        if thumbprint(public_jwk(key)) != life.kid:
            raise unreadable(life, "its private half belongs to another key")
        return LocalSigner(key, life.kid, life.alg)
    except JoseError as error:
        raise unreadable(life, "its private half is damaged") from error
