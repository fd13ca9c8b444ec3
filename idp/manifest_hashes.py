"""Stored password hashes as other programs write them: which we can check, and how much work one may ask for.

Reading only; ``accounts.foreign_hashes`` computes. What is read here bounds what a row can cost a sign-in later.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping

import msgspec

from idp.config.problems import Problem

LONGEST = 255  # characters; the column's width
MOST_ITERATIONS = 10_000_000  # PBKDF2: 2 to 4 s
MOST_SCRYPT_MEMORY = 256 * 2**20  # bytes, 128 N r
MOST_SCRYPT_WORK = 512 * 2**20  # bytes written, 128 N r p: about 1 s
MOST_BCRYPT_COST = 16  # 3 s
MOST_ARGON2_MEMORY, MOST_ARGON2_PASSES = 262_144, 16  # KiB: 2.5 s together

# What an operator is told is accepted; the order of docs/import.md.
ACCEPTED = (
    "pbkdf2_sha256$, pbkdf2_sha1$, argon2$, bcrypt_sha256$, bcrypt$, scrypt$ (Django)",
    "pbkdf2:sha256:, pbkdf2:sha512:, pbkdf2:sha1:, scrypt: (Werkzeug)",
    "$2y$, $2b$, $2a$ (bcrypt, PHP)",
    "$argon2id$v=19$, $argon2i$v=19$ (argon2, PHP)",
    "$pbkdf2-sha256$, $pbkdf2-sha512$, $pbkdf2$ (passlib)",
)


class Pbkdf2(msgspec.Struct, frozen=True):
    digest: str
    iterations: int
    salt: bytes
    key: bytes

    @property
    def cost(self) -> str:
        return f"pbkdf2 {self.digest} {self.iterations}"


class Scrypt(msgspec.Struct, frozen=True):
    n: int
    r: int
    p: int
    salt: bytes
    key: bytes

    @property
    def cost(self) -> str:
        return f"scrypt {self.n} {self.r} {self.p}"


class Bcrypt(msgspec.Struct, frozen=True):
    """``sha256`` True: Django hashes the password first, so that every byte of a long one counts."""

    text: str
    sha256: bool

    @property
    def cost(self) -> str:
        return f"bcrypt {self.text[4:6]}"


class Argon2(msgspec.Struct, frozen=True):
    """``text`` in the PHC form."""

    text: str

    @property
    def cost(self) -> str:
        return self.text.rpartition("$")[0].rpartition("$")[0]


StoredHash = Pbkdf2 | Scrypt | Bcrypt | Argon2


class UnknownHash(ValueError):
    """``expected`` says what would have been accepted, ``mend`` what to do; neither holds any of the hash."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected
        self.mend = "leave it out and set a new password: idp user passwd NAME"


def read_hash(text: str) -> StoredHash:
    """A stored hash of a kind we can check, within the limits above. Raises UnknownHash."""
    if len(text) > LONGEST:
        raise UnknownHash(f"at most {LONGEST} characters")
    for prefix, reader in _READERS.items():
        if text.startswith(prefix):
            return reader(text.removeprefix(prefix))
    for pattern, why in _NEVER.items():
        if re.match(pattern, text):
            raise UnknownHash(why)
    raise UnknownHash("one of " + "; ".join(ACCEPTED))


def hash_problem(text: str) -> Problem | None:
    """What an operator is told about a hash that cannot be taken; the hash itself is never said back."""
    try:
        read_hash(text)
    except UnknownHash as error:
        return Problem(
            rule="a password hash this server can check",
            received="(hidden)",
            expected=error.expected,
            mend=error.mend,
        )
    return None


def _django_pbkdf2(digest: str) -> Callable[[str], Pbkdf2]:
    def read(rest: str) -> Pbkdf2:
        iterations, salt, key = _parts(rest, 3, f"pbkdf2_{digest}$iterations$salt$base64")
        return _pbkdf2(digest, iterations, salt.encode(), _base64(key))

    return read


def _werkzeug_pbkdf2(rest: str) -> Pbkdf2:
    method, salt, key = _parts(rest, 3, "pbkdf2:sha256:iterations$salt$hex")
    digest, _, iterations = method.partition(":")
    return _pbkdf2(digest, iterations, salt.encode(), _hex(key))


def _passlib_pbkdf2(digest: str) -> Callable[[str], Pbkdf2]:
    def read(rest: str) -> Pbkdf2:
        iterations, salt, key = _parts(rest, 3, f"$pbkdf2-{digest}$iterations$salt$hash")
        return _pbkdf2(digest, iterations, _base64(salt, own="./"), _base64(key, own="./"))

    return read


def _pbkdf2(digest: str, iterations: str, salt: bytes, key: bytes) -> Pbkdf2:
    if digest not in ("sha1", "sha256", "sha512"):
        raise UnknownHash("PBKDF2 with sha256, sha512 or sha1")
    return Pbkdf2(digest, _number(iterations, "PBKDF2 iterations", MOST_ITERATIONS), salt, _sized(key))


def _django_scrypt(rest: str) -> Scrypt:
    n, salt, r, p, key = _parts(rest, 5, "scrypt$N$salt$r$p$base64")
    return _scrypt(n, r, p, salt.encode(), _base64(key))


def _werkzeug_scrypt(rest: str) -> Scrypt:
    method, salt, key = _parts(rest, 3, "scrypt:N:r:p$salt$hex")
    n, r, p = _parts(method, 3, "scrypt:N:r:p$salt$hex", ":")
    return _scrypt(n, r, p, salt.encode(), _hex(key))


def _scrypt(n: str, r: str, p: str, salt: bytes, key: bytes) -> Scrypt:
    found = Scrypt(
        _number(n, "scrypt N", 2**24), _number(r, "scrypt r", 64), _number(p, "scrypt p", 64), salt, _sized(key)
    )
    if found.n < 2 or found.n & (found.n - 1) or found.n >= 2 ** (16 * found.r):
        raise UnknownHash("scrypt N that is a power of two below 2^(16 r) (RFC 7914 2)")
    memory = 128 * found.n * found.r
    if memory > MOST_SCRYPT_MEMORY or memory * found.p > MOST_SCRYPT_WORK:
        raise UnknownHash(f"scrypt with 128 N r <= {MOST_SCRYPT_MEMORY} bytes and 128 N r p <= {MOST_SCRYPT_WORK}")
    return found


# The alphabet of bcrypt's base64; 22 characters of salt, 31 of hash.
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)


def _bcrypt(before: str, *, sha256: bool) -> Callable[[str], Bcrypt]:
    def read(rest: str) -> Bcrypt:
        text = before + rest
        found = _BCRYPT.fullmatch(text)
        if found is None or not 4 <= int(found[1]) <= MOST_BCRYPT_COST:
            raise UnknownHash(f"bcrypt $2b$, $2y$ or $2a$ of 60 characters, cost 04 to {MOST_BCRYPT_COST}")
        return Bcrypt(text, sha256)

    return read


_ARGON2 = re.compile(
    r"\$argon2(?:id|i)\$v=19\$m=([0-9]{1,8}),t=([0-9]{1,3}),p=([0-9]{1,3})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,86}",
    re.ASCII,
)


def _argon2(before: str) -> Callable[[str], Argon2]:
    def read(rest: str) -> Argon2:
        found = _ARGON2.fullmatch(before + rest)
        memory, passes, lanes = map(int, found.groups()) if found else (0, 0, 0)
        within = passes <= MOST_ARGON2_PASSES and lanes <= MOST_ARGON2_PASSES and memory <= MOST_ARGON2_MEMORY
        # Eight blocks a lane is the least the algorithm takes (RFC 9106 3.1).
        if not within or passes < 1 or lanes < 1 or memory < 8 * lanes:
            raise UnknownHash(
                f"$argon2id$ or $argon2i$v=19$m=,t=,p=$salt$hash, m <= {MOST_ARGON2_MEMORY}, "
                f"t and p <= {MOST_ARGON2_PASSES}"
            )
        return Argon2(before + rest)

    return read


def _parts(text: str, count: int, form: str, mark: str = "$") -> list[str]:
    parts = text.split(mark)
    if len(parts) != count or not all(parts):
        raise UnknownHash(form)
    return parts


def _number(text: str, what: str, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not 1 <= int(text) <= most:
        raise UnknownHash(f"{what} from 1 to {most:_}")
    return int(text)


def _base64(text: str, own: str = "") -> bytes:
    """``own`` "./": passlib's alphabet, "." for "+", and no padding."""
    if own:
        text = text.replace(".", "+") + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UnknownHash("base64 after the last $") from None


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UnknownHash("hexadecimal digits after the last $") from None


def _sized(key: bytes) -> bytes:
    # Below 16 bytes a wrong password would match by chance or by search.
    if not 16 <= len(key) <= 64:
        raise UnknownHash("a hash of 16 to 64 bytes")
    return key


_READERS: Mapping[str, Callable[[str], StoredHash]] = {
    "pbkdf2_sha256$": _django_pbkdf2("sha256"),
    "pbkdf2_sha1$": _django_pbkdf2("sha1"),
    "argon2$argon2": _argon2("$argon2"),
    "bcrypt_sha256$$2": _bcrypt("$2", sha256=True),
    "bcrypt$$2": _bcrypt("$2", sha256=False),
    "scrypt$": _django_scrypt,
    "pbkdf2:": _werkzeug_pbkdf2,
    "scrypt:": _werkzeug_scrypt,
    "$argon2": _argon2("$argon2"),
    "$2": _bcrypt("$2", sha256=False),
    "$pbkdf2-sha256$": _passlib_pbkdf2("sha256"),
    "$pbkdf2-sha512$": _passlib_pbkdf2("sha512"),
    "$pbkdf2$": _passlib_pbkdf2("sha1"),
}

_FAST = "a slow hash: a single pass of this one is searched at billions of guesses a second, so it is not taken in"
# Kinds people do ask for, with the reason why not.
_NEVER: Mapping[str, str] = {
    r"(?:md5|sha1|sha256|sha512|unsalted_md5|unsalted_sha1)\$": _FAST,
    r"\{(?:S?SHA|SSHA\d+|S?MD5|SMD5)\}": _FAST,
    r"[0-9a-fA-F]{32}$|[0-9a-fA-F]{40}$|[0-9a-fA-F]{64}$": _FAST,
    r"\{CRYPT\}|crypt\$|\$[156]\$|\$apr1\$": "no crypt(3): its hashes need a library that Python no longer brings",
    r"\$y\$|\$7\$": "no yescrypt: no maintained Python library checks it",
    r"\$P\$|\$H\$": "no phpass (old WordPress, phpBB): it is MD5, repeated",
}
