"""Flask: a decorator for views.

    protect = Protection(SyncVerifier(ISSUER, AUDIENCE), base_url="https://api.example.com")

    @app.get("/notes")
    @protect.requires("read")
    def notes() -> dict[str, str]:
        return {"you": g.token.subject}

The preflight of a browser (CORS) is answered by Flask, or by an extension, without the view and so without a token.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec

from flask import current_app, g, jsonify, request
from flask.typing import ResponseReturnValue

from .adapting import Asked, Demand, Kept, SyncGuard, escaped
from .refused import Refused
from .verifier import SyncVerifier

P = ParamSpec("P")
_KEPT = "idp.tokens"


class Protection:
    """One verifier for all views of an API.

    ``base_url`` is what callers write before the path, which DPoP needs; by default the origin of the verifier's
    ``resource``. ``realm`` goes into WWW-Authenticate.
    """

    def __init__(self, verifier: SyncVerifier, *, base_url: str | None = None, realm: str | None = None) -> None:
        self._guard = SyncGuard(verifier, base_url, realm)

    def requires(
        self, *scopes: str, acr_values: str | Iterable[str] = (), max_age: float | None = None
    ) -> Callable[[Callable[P, Any]], Callable[P, ResponseReturnValue]]:
        """A decorator, below the route's: the view runs for a good token alone, which is then ``g.token``.

        A refusal is answered with its status, its WWW-Authenticate and a JSON body.
        """
        demand = Demand.of(scopes, acr_values, max_age)

        def around(view: Callable[P, Any]) -> Callable[P, ResponseReturnValue]:
            @functools.wraps(view)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
                kept: Kept = request.environ.setdefault(_KEPT, {})
                try:
                    g.token = self._guard.verified(_asked(), demand, kept)
                except Refused as refused:
                    return self.answer(refused)
                answered: ResponseReturnValue = current_app.ensure_sync(view)(*args, **kwargs)
                return answered

            return guarded

        return around

    def answer(self, refused: Refused) -> ResponseReturnValue:
        """The response to a refusal."""
        status, headers, body = self._guard.answer(refused)
        return jsonify(body), status, headers


def _asked() -> Asked:
    return Asked(request.method, escaped(request.root_path + request.path), list(request.headers))
