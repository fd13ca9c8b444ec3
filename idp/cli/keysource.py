"""Public keys for a command: from a file, an address, PEM text, or an issuer on this machine."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from idp.cli.trouble import Trouble
from idp.config.addresses import is_loopback_host
from idp.jose.compact import SignedToken, Token, read_signed, read_unverified
from idp.jose.errors import JoseError
from idp.jose.keyset import KeySet
from idp.jose.public import VERIFYING_ALGORITHMS, PublicKey
from idp.verify.discovery import KeySource, Metadata
from idp.verify.fetch import FetchError, get

_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)
_MAX_FILE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Keys:
    """``found`` are the keys, ``source`` says where they came from."""

    found: KeySet
    source: str

    def prove(self, text: str) -> PublicKey:
        """The key whose signature ``text`` carries; claims are not looked at. Raises Trouble."""
        try:
            typ = str(read_unverified(text).header.get("typ", ""))
            signed = read_signed(text, algorithms=VERIFYING_ALGORITHMS, typ=(typ,))
            return self._matching(signed)
        except JoseError as error:
            mend = "take the keys of the issuer that made the token"
            raise Trouble(str(error), received=self.source, mend=mend) from None

    def _matching(self, signed: SignedToken) -> PublicKey:
        key = self.found.select(signed.token.header)
        if key is not None:
            signed.proved_by(key)
            return key
        # PEM carries no kid: of a few keys for the same algorithm the one that fits is found by trying.
        for candidate in self.found.keys:
            if candidate.kid is None and candidate.alg == signed.token.header["alg"]:
                with suppress(JoseError):
                    signed.proved_by(candidate)
                    return candidate
        raise self.found.unknown(signed.token.header)


def keys_for(token: Token, jwks: str | None) -> Keys:
    """``--jwks``, or the keys of the token's own issuer when that is on this machine.

    An issuer elsewhere is not called because a token says so: its writer would choose the address.
    """
    if jwks is not None:
        return read_jwks(jwks)
    issuer = token.claims.get("iss")
    if isinstance(issuer, str) and is_here(issuer):
        return keys_of_issuer(issuer)
    raise Trouble(
        "public keys are needed to check a signature",
        received=f"a token of {issuer!a}",
        expected="--jwks FILE or --jwks https://...",
        mend="curl ISSUER/.well-known/jwks.json > keys.json",
        status=2,
    )


def read_jwks(place: str) -> Keys:
    """A JWK Set in a file or at an address (https, or http on this machine). Raises Trouble."""
    data = _fetch(place) if place.startswith(("http://", "https://")) else _file(Path(place))
    try:
        return Keys(KeySet.from_json(data, VERIFYING_ALGORITHMS), place)
    except JoseError as error:
        hint = "use --pem for a PEM file" if data.lstrip().startswith(b"-----") else "save the issuer's jwks_uri"
        raise Trouble(
            "a key set is JSON with public keys (RFC 7517 5)",
            received=str(error),
            expected='{"keys": [...]}',
            mend=hint,
            status=2,
        ) from None


def read_pem(path: Path, alg: str | None) -> Keys:
    """One or more PEM public keys; ``alg`` is what they are for, as a PEM names none. Raises Trouble."""
    data = _file(path)
    preferred = (alg,) if alg else VERIFYING_ALGORITHMS
    try:
        keys = tuple(PublicKey.from_pem(block + b"\n", preferred=preferred) for block in _PEM.findall(data))
        if not keys:
            raise JoseError("key", "no PEM block in the file")
    except JoseError as error:
        raise Trouble(
            "a PEM public key",
            received=f"{path}: {error}",
            expected="-----BEGIN PUBLIC KEY-----",
            mend="idp keys export --pem > public.pem",
            status=2,
        ) from None
    return Keys(KeySet(keys), str(path))


def keys_of_issuer(issuer: str) -> Keys:
    """What discovery at ``issuer`` leads to. Raises Trouble."""
    try:
        fetched = KeySource(None, VERIFYING_ALGORITHMS, get, Metadata(issuer, get, lambda: 0.0)).fetch(None)
        if fetched.keys is None:
            raise FetchError(f"{issuer} answered without keys")
    except (FetchError, JoseError) as error:
        raise Trouble(
            "the issuer publishes its keys",
            received=str(error),
            expected=f"an answer from {issuer}",
            mend="start it, or pass a saved copy with --jwks keys.json",
        ) from None
    return Keys(fetched.keys, issuer)


def is_here(issuer: str) -> bool:
    try:
        return is_loopback_host(urlsplit(issuer).hostname)
    except ValueError:
        return False


def _fetch(url: str) -> bytes:
    try:
        answer = get(url, {"Accept": "application/json"})
        if answer.status != 200:
            raise FetchError(f"{url} answered with status {answer.status}")
    except FetchError as error:
        raise Trouble(
            "the keys could not be fetched",
            received=str(error),
            expected="status 200",
            mend="check the address, or pass a saved copy with --jwks keys.json",
        ) from None
    return answer.body


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except OSError as error:
        received = f"{path}: {error.strerror}"
        raise Trouble("the keys' file must be readable", received=received, mend="check the path", status=2) from None
    if len(data) > _MAX_FILE:
        raise Trouble("a key set is small", received=f"{path}: more than {_MAX_FILE} bytes", status=2)
    return data
