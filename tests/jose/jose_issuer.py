"""An issuer for the tests of the key set cache: its clock, its keys and its health are set by the test."""

from concurrent.futures import Future

from idp.jose import Fetched, JoseError, KeySet, generate_private_key
from idp.jose.keys import public_jwk

JWKS = [{**public_jwk(generate_private_key("ES256")), "kid": kid, "alg": "ES256"} for kid in "abcde"]
DOWN = JoseError("keys_unavailable", "nobody answers")


def header(kid: str) -> dict[str, str]:
    return {"alg": "ES256", "kid": kid, "typ": "at+jwt"}


def keys(kids: str) -> KeySet:
    return KeySet.from_jwks({"keys": [jwk for jwk in JWKS if jwk["kid"] in kids]})


class Issuer:
    """An issuer whose answers the test sets; with ``hold`` a fetch stays open until ``answer``."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now
        self.published = "ab"
        self.down = False
        self.max_age: float | None = 300.0
        self.fetches = 0
        self.etags: list[str | None] = []
        self.open: list[Future[Fetched]] = []
        self.hold = False

    def clock(self) -> float:
        return self.now

    def start(self, etag: str | None) -> Future[Fetched]:
        self.fetches += 1
        self.etags.append(etag)
        future: Future[Fetched] = Future()
        self.open.append(future)
        if not self.hold:
            self.answer()
        return future

    def answer(self) -> None:
        future = self.open.pop(0)
        tag = f'"{self.published}"'
        if self.down:
            future.set_exception(DOWN)
        elif self.etags[-1] == tag:
            future.set_result(Fetched(None, tag, self.max_age))
        else:
            future.set_result(Fetched(keys(self.published), tag, self.max_age))
