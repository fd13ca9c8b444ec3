"""Everybody's notes, each person's for that person alone: an API on FastAPI that takes the provider's tokens.

    uvicorn notes:app --port 8001

No secret and no call per request: the verifier fetches public keys, once and when the provider has new ones.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Security
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel, Field

from idp.verify import VerifiedToken, Verifier
from idp.verify.fastapi import Protection

ISSUER = "http://localhost:8000"  # whose tokens are taken, letter by letter their iss
API = "http://localhost:8001"  # where this stands, and what its tokens have as aud
# Pages in a browser that may call this: the examples react, vue and angular.
PAGES = ["http://localhost:5173", "http://localhost:5174", "http://localhost:4200"]

verifier = Verifier(ISSUER, API, resource=API)
protect = Protection(verifier)
Reader = Annotated[VerifiedToken, Security(protect, scopes=["notes:read"])]
Writer = Annotated[VerifiedToken, Security(protect, scopes=["notes:write"])]

app = FastAPI(title="Notes")
app.add_middleware(
    CORSMiddleware,
    allow_origins=PAGES,
    allow_methods=["GET", "POST"],
    allow_headers=["authorization", "content-type", "dpop"],
    expose_headers=["www-authenticate"],  # so that a page can read why it was refused
)


class NewNote(BaseModel):
    text: str = Field(min_length=1, max_length=200)


class Note(BaseModel):
    id: int
    text: str


notes: defaultdict[str, list[Note]] = defaultdict(list)  # by sub: a name for a person that never changes


@app.get("/notes")
async def read(token: Reader) -> list[Note]:
    return notes[token.subject]


@app.post("/notes", status_code=201)
async def add(new: NewNote, token: Writer) -> Note:
    own = notes[token.subject]
    own.append(Note(id=len(own) + 1, text=new.text))
    return own[-1]


@app.get("/.well-known/oauth-protected-resource", include_in_schema=False)
async def metadata() -> Mapping[str, Any]:
    """Where a refused client finds out which provider to ask (RFC 9728)."""
    return verifier.resource_metadata()
