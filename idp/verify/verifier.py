"""``Verifier`` and ``SyncVerifier``: the one object a resource server keeps."""

from collections.abc import Iterable

from .claims import VerifiedToken
from .core import Core
from .proofs import Headers
from .ways import at_rest


class Verifier(Core):
    """Verifies the access tokens of one issuer for one audience, with its public keys alone.

    Make one and keep it: it holds the cached keys, and may be shared by threads and event loops.

    ``issuer`` and ``audience`` (one or several, one of which must be in the token) are compared letter by
    letter. ``algorithms`` lists what is accepted, ``typ`` the accepted types (RFC 9068: ``at+jwt``; many
    other issuers write ``JWT``; ``""`` stands for none), ``leeway`` is in seconds. The keys come from
    discovery at the issuer, or from ``jwks_uri``, or, with nothing ever fetched, from ``jwks``: a JWK Set or
    PEM text. ``fetch`` replaces the built-in blocking GET, which honours SSL_CERT_FILE, follows no redirect
    and uses no proxy. ``cooldown`` is the least number of seconds between two fetches made for unknown key
    ids, ``stale_if_error`` for how many seconds known keys serve on while the issuer cannot be asked (what it says of
    this itself counts instead, from an hour to a day). ``dpop`` says how tokens bound to a key are taken
    (``verify_request``), ``introspection`` how opaque ones are asked about (RFC 7662; without it they are refused).
    ``resource`` is this API's own address (RFC 9728): refusals then point at its metadata, and ``resource_metadata``
    gives the document. ``required_claims`` must be in a token besides iss, aud, exp and sub; by default those that
    RFC 9068 requires of ``at+jwt`` must. With ``cached_tokens`` that many verified tokens are remembered by their
    hash: arithmetic is done once for each, times and key are checked each time.

    Wrong arguments raise ``ValueError`` at once.
    """

    async def verify(
        self,
        token: str,
        scopes: Iterable[str] = (),
        *,
        acr_values: Iterable[str] = (),
        max_age: float | None = None,
    ) -> VerifiedToken:
        """The verified token, or ``Refused``; ``scopes`` must all be in it (else status 403).

        ``acr_values`` and ``max_age`` say how the person must have signed in, and how many seconds ago at most;
        otherwise the answer asks for a step-up (RFC 9470).

        Never blocks the event loop: where keys must be fetched, a thread does it. A token that is bound to a key
        (``cnf``) is refused here: who holds the key is seen in the request, by ``verify_request``.
        """
        return await self._verify(self._in_loop, token, scopes, acr_values, max_age)

    async def verify_request(
        self,
        method: str,
        url: str,
        headers: Headers,
        scopes: Iterable[str] = (),
        *,
        acr_values: Iterable[str] = (),
        max_age: float | None = None,
    ) -> VerifiedToken:
        """The verified token of a request: a bearer token, or one bound to a key with the proof of it (DPoP).

        ``url`` is the address the client called, as your API is known to its callers and not as a proxy calls you;
        query and fragment do not count. ``headers`` is a mapping or, so that a header sent twice is seen, pairs of
        name and value, as text or as ASGI's bytes. ``Refused`` as ``verify``, with the scheme to answer in.
        """
        return await self._verify_request(self._in_loop, method, url, headers, scopes, acr_values, max_age)

    def verify_sync(
        self,
        token: str,
        scopes: Iterable[str] = (),
        *,
        acr_values: Iterable[str] = (),
        max_age: float | None = None,
    ) -> VerifiedToken:
        """``verify`` for a place without an event loop; it waits where keys must be fetched."""
        return at_rest(self._verify(self._blocking, token, scopes, acr_values, max_age))

    def verify_request_sync(
        self,
        method: str,
        url: str,
        headers: Headers,
        scopes: Iterable[str] = (),
        *,
        acr_values: Iterable[str] = (),
        max_age: float | None = None,
    ) -> VerifiedToken:
        """``verify_request`` for a place without an event loop."""
        return at_rest(self._verify_request(self._blocking, method, url, headers, scopes, acr_values, max_age))


class SyncVerifier(Core):
    """``Verifier`` for programs without an event loop, such as those on Django and Flask: the same arguments, the same
    methods without ``await``, the same rules. Threads may share it; one fetches, the others wait for what it brings.
    """

    def verify(
        self,
        token: str,
        scopes: Iterable[str] = (),
        *,
        acr_values: Iterable[str] = (),
        max_age: float | None = None,
    ) -> VerifiedToken:
        """``Verifier.verify``, waiting where keys must be fetched."""
        return at_rest(self._verify(self._blocking, token, scopes, acr_values, max_age))

    def verify_request(
        self,
        method: str,
        url: str,
        headers: Headers,
        scopes: Iterable[str] = (),
        *,
        acr_values: Iterable[str] = (),
        max_age: float | None = None,
    ) -> VerifiedToken:
        """``Verifier.verify_request``, waiting where keys must be fetched. Replays of your own must answer at once."""
        return at_rest(self._verify_request(self._blocking, method, url, headers, scopes, acr_values, max_age))
