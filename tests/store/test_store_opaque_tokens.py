"""Kept access tokens, and apps kept out, on both databases."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from store_values import House

from idp.protocol.client import Client
from idp.store.audit import tail
from idp.store.client_documents import keep_out, kept_out, let_in
from idp.store.opaque_tokens import find_token, keep_token, revoke_kept
from idp.store.registry import current_epoch, find_client, put_client
from idp.store.schema_protocols import opaque_tokens
from idp.store.sweep import START, sweep

URL = "https://app.example/client.json"


def hashed(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def claims_for(house: House, client_id: str = "web") -> dict[str, object]:
    return {"client_id": client_id, "exp": int(house.now) + 60, "jti": "j1", "aud": ["a", "b"], "scope": "ä"}


def test_a_token_is_found_by_its_hash_until_its_client_revokes_it(house: House) -> None:
    claims = claims_for(house)
    house.write(keep_token, hashed("t"), claims)
    assert house.read(find_token, hashed("t")) == claims
    assert house.read(find_token, hashed("u")) is None
    house.write(revoke_kept, house.journal, hashed("t"), "other", house.now)
    assert house.read(find_token, hashed("t")) == claims
    for _ in range(2):
        house.write(revoke_kept, house.journal, hashed("t"), "web", house.now)
    assert house.read(find_token, hashed("t")) is None
    told = [line for line in house.read(tail, 10) if line["event"] == "token.revoked"]
    assert [line["detail"] for line in told] == [{"jti": "j1"}]


def test_an_expired_one_is_swept(house: House) -> None:
    house.write(keep_token, hashed("t"), claims_for(house))
    for after, left in ((60.0, 1), (61.0, 0)):
        place = START
        while place is not None:
            _, place = house.write(sweep, house.now + after, place)
        count = sa.select(sa.func.count()).select_from(opaque_tokens)
        assert house.read(lambda connection, query=count: connection.execute(query).scalar_one()) == left


def test_an_app_is_kept_out_and_let_in(house: House) -> None:
    before = house.read(current_epoch)
    house.write(keep_out, house.journal, URL, house.now)
    house.write(keep_out, house.journal, URL, house.now)
    assert house.read(find_client, URL) == kept_out(URL)
    assert house.read(current_epoch) == before + 1
    assert house.write(let_in, house.journal, URL, house.now) is True
    assert house.write(let_in, house.journal, URL, house.now) is False
    assert house.read(find_client, URL) is None
    events = [line["event"] for line in house.read(tail, 10) if line["client_id"] == URL]
    assert events == ["client.disabled", "client.changed"]


def test_a_registered_client_is_no_affair_of_it(house: House) -> None:
    client = Client(client_id=URL, token_endpoint_auth_method="none", redirect_uris=("https://app.example/cb",))
    house.write(put_client, house.journal, client, house.now)
    house.write(keep_out, house.journal, URL, house.now)
    assert house.write(let_in, house.journal, URL, house.now) is False
    assert house.read(find_client, URL) == client
