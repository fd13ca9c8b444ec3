"""Everybody's notes, each person's for that person alone: an API on Flask that takes the provider's tokens.

    flask --app notes run --port 8001

No secret and no call per request: the verifier fetches public keys, once and when the provider has new ones.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from flask import Flask, abort, g, jsonify, request
from flask.typing import ResponseReturnValue

from idp.verify import SyncVerifier
from idp.verify.flask import Protection

ISSUER = "http://localhost:8000"  # whose tokens are taken, letter by letter their iss
API = "http://localhost:8001"  # where this stands, and what its tokens have as aud

verifier = SyncVerifier(ISSUER, API, resource=API)
protect = Protection(verifier)
app = Flask(__name__)
notes: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)  # by sub: a name for a person that never changes


@app.get("/notes")
@protect.requires("notes:read")
def read() -> ResponseReturnValue:
    return jsonify(notes[g.token.subject])


@app.post("/notes")
@protect.requires("notes:write")
def add() -> ResponseReturnValue:
    new = request.get_json()
    if not isinstance(new, dict) or not isinstance(text := new.get("text"), str) or not 0 < len(text) <= 200:
        abort(422, "text must be 1 to 200 characters")
    own = notes[g.token.subject]
    own.append({"id": len(own) + 1, "text": text})
    return jsonify(own[-1]), 201


@app.get("/.well-known/oauth-protected-resource")
def metadata() -> Mapping[str, Any]:
    """Where a refused client finds out which provider to ask (RFC 9728)."""
    return dict(verifier.resource_metadata())
