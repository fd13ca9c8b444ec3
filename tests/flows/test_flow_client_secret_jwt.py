"""client_secret_jwt (OIDC Core 9): an HMAC under the secret, which is kept sealed and shown to nobody."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from assertions import SIGNED, assertion, challenged, present, service
from joserfc import jwt
from joserfc.jwk import OctKey
from support import discovery, register

from idp.control import ControlError
from idp.manifest import ManifestError
from idp.store.schema import clients
from idp.testing import Provider

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:EdDSA is deprecated")]

SECRET = "secret-of-mac-" + "0123456789" * 5
OTHER = "another-of-mac" + "0123456789" * 5
MAC = service("mac", "client_secret_jwt", SECRET)
PINNED = service("pinned", "client_secret_jwt", SECRET, token_endpoint_auth_signing_alg="HS512")
SHORT = service("short", "client_secret_jwt", "0123456789abcdef0123456789abcdef")


@pytest.fixture(autouse=True, scope="module")
async def apps(provider: Provider) -> None:
    await register(provider, MAC, PINNED, SHORT, SIGNED)


def mac(provider: Provider, client_id: str = "mac", secret: str = SECRET, alg: str = "HS256", **changes: Any) -> str:
    now = int(provider.clock())
    claims = {"iss": client_id, "sub": client_id, "aud": provider.issuer, "iat": now, "exp": now + 60} | changes
    claims.setdefault("jti", uuid.uuid4().hex)
    return jwt.encode({"alg": alg, "typ": "JWT"}, claims, OctKey.import_key(secret), algorithms=[alg])


async def test_is_announced_in_discovery(provider: Provider) -> None:
    document = await discovery(provider.http)
    for endpoint in ("token", "introspection", "revocation"):
        assert "client_secret_jwt" in document[f"{endpoint}_endpoint_auth_methods_supported"]
        assert {"HS256", "HS384", "HS512"} < {*document[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]}


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_the_secret_proves_the_client(provider: Provider, alg: str) -> None:
    assert (await present(provider, mac(provider, alg=alg))).status_code == 200
    challenged(await present(provider, mac(provider, alg=alg, secret=OTHER)))


async def test_an_assertion_counts_once_and_keeps_the_rules_of_the_others(provider: Provider) -> None:
    text = mac(provider)
    assert (await present(provider, text)).status_code == 200
    challenged(await present(provider, text))
    now = int(provider.clock())
    for changes in (
        {"aud": f"{provider.issuer}/token"},
        {"aud": [provider.issuer, "https://other.test"]},
        {"iss": "short"},
        {"exp": now - 31},
        {"exp": now + 4000},
        {"iat": now + 31},
        {"jti": ""},
    ):
        challenged(await present(provider, mac(provider, **changes)))


async def test_the_secret_itself_is_no_proof(provider: Provider) -> None:
    form = {"grant_type": "client_credentials"}
    challenged(await provider.http.post("/token", data=form, auth=("mac", SECRET)))
    challenged(await provider.http.post("/token", data={**form, "client_id": "mac", "client_secret": SECRET}))


async def test_the_registered_algorithm_is_the_only_one(provider: Provider) -> None:
    assert (await present(provider, mac(provider, "pinned", alg="HS512"))).status_code == 200
    for alg in ("HS256", "HS384"):
        challenged(await present(provider, mac(provider, "pinned", alg=alg)))


async def test_a_secret_shorter_than_the_hash_proves_nothing(provider: Provider) -> None:
    """RFC 7518 3.2: at least as long as the output of the hash."""
    assert (await present(provider, mac(provider, "short", SHORT.secret or ""))).status_code == 200
    for alg in ("HS384", "HS512"):
        challenged(await present(provider, mac(provider, "short", SHORT.secret or "", alg)))


async def test_neither_method_passes_for_the_other(provider: Provider) -> None:
    challenged(await present(provider, assertion(provider, "RS256", iss="mac", sub="mac")))
    challenged(await present(provider, mac(provider, "signed", SECRET)))


# -- how the secret is kept


def stored(provider: Provider, client_id: str) -> dict[str, Any]:
    """The row as it stands in the database."""
    query = sa.select(clients.c.data).where(clients.c.client_id == client_id)
    data = provider.server.database.read_now(lambda connection: connection.execute(query).scalar_one())
    return dict(json.loads(data))


async def test_it_is_sealed_in_the_database_and_hidden_everywhere_else(provider: Provider) -> None:
    row = stored(provider, "mac")
    assert SECRET not in json.dumps(row)
    assert len(row["sealed_secrets"]) == len(row["secret_hashes"]) == 1
    listed = await provider.control("client.list")
    exported = await provider.control("export", section="clients")
    for text in (json.dumps(listed), exported["text"]):
        assert SECRET not in text
        assert "sealed" not in text
        assert row["sealed_secrets"][0] not in text


async def test_one_client_s_sealed_secret_is_of_no_use_to_another(provider: Provider) -> None:
    """Somebody who can write the database cannot put a secret they know in a stranger's row."""
    for client_id in ("moved", "donor"):
        await register(provider, service(client_id, "client_secret_jwt", f"{client_id}-{SECRET[:50]}"))
    row = stored(provider, "moved") | {"sealed_secrets": stored(provider, "donor")["sealed_secrets"]}
    change = sa.update(clients).where(clients.c.client_id == "moved").values(data=json.dumps(row).encode())
    provider.server.database.write_now(lambda connection: connection.execute(change))
    await provider.server.reload_registry(force=True)
    challenged(await present(provider, mac(provider, "moved", f"donor-{SECRET[:50]}")))


async def test_applying_again_changes_nothing_and_another_secret_does(provider: Provider) -> None:
    app = service("again", "client_secret_jwt", SECRET)
    assert (await provider.apply(app.toml()))["changed"] == 1
    assert (await provider.apply(app.toml()))["changed"] == 0
    changed = await provider.apply(service("again", "client_secret_jwt", OTHER).toml())
    [entry] = changed["outcomes"]
    assert SECRET not in json.dumps(changed)
    assert OTHER not in json.dumps(changed)
    assert "secret_hashes" in {member["name"] for member in entry["members"]}
    assert (await present(provider, mac(provider, "again", OTHER))).status_code == 200
    challenged(await present(provider, mac(provider, "again", SECRET)))


async def test_what_export_writes_applies_here_and_is_refused_where_the_secret_is_not(provider: Provider) -> None:
    hashed = hashlib.sha256(SECRET.encode()).hexdigest()
    text = MAC.toml().replace(f'client_secret = "{SECRET}"', f'client_secret_hashes = ["{hashed}"]')
    assert (await provider.apply(text))["changed"] == 0
    assert (await present(provider, mac(provider))).status_code == 200
    async with Provider() as elsewhere:
        with pytest.raises(ControlError) as refused:
            await elsewhere.apply(text)
    assert "checks no HMAC" in refused.value.rule
    assert "client_secret_file" in refused.value.expected


async def test_from_a_secret_that_was_a_hash_to_an_hmac_the_secret_is_needed(provider: Provider) -> None:
    await register(provider, service("mover", "client_secret_basic", SECRET))
    hashed = hashlib.sha256(SECRET.encode()).hexdigest()
    moved = service("mover", "client_secret_jwt", SECRET).toml()
    with pytest.raises(ControlError):
        await provider.apply(moved.replace(f'client_secret = "{SECRET}"', f'client_secret_hashes = ["{hashed}"]'))
    await provider.apply(moved)
    assert (await present(provider, mac(provider, "mover"))).status_code == 200
    await register(provider, service("mover", "client_secret_basic", SECRET))
    assert "sealed_secrets" not in stored(provider, "mover")


async def test_two_secrets_live_side_by_side(provider: Provider) -> None:
    await register(provider, service("two", "client_secret_jwt", SECRET))
    added = await provider.control("client.secret.add", client_id="two")
    fresh = added["client_secret"]
    assert len(fresh) == 64
    assert added["kept"] == "sealed"
    assert fresh not in json.dumps(stored(provider, "two"))
    for secret in (SECRET, fresh):
        assert (await present(provider, mac(provider, "two", secret, "HS512"))).status_code == 200
    await provider.control("client.secret.retire", client_id="two")
    assert (await present(provider, mac(provider, "two", fresh))).status_code == 200
    challenged(await present(provider, mac(provider, "two", SECRET)))


async def test_a_new_one_gets_its_secret_made(provider: Provider) -> None:
    members = {
        "client_id": "made",
        "token_endpoint_auth_method": "client_secret_jwt",
        "grant_types": ["client_credentials"],
        "scope": "",
    }
    made = await provider.control("client.add", client=members)
    assert (await present(provider, mac(provider, "made", made["client_secret"], "HS512"))).status_code == 200
    assert "sealed" not in json.dumps(made)


@pytest.mark.parametrize(("alg", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
async def test_a_secret_too_short_for_its_algorithm_is_not_registered(
    provider: Provider, alg: str, least: int
) -> None:
    members = {"token_endpoint_auth_signing_alg": alg}
    with pytest.raises(ManifestError) as refused:
        await register(provider, service("tiny", "client_secret_jwt", "s" * (least - 1), **members))
    assert f"{least} to 64" in str(refused.value)
    await register(provider, service("tiny", "client_secret_jwt", "s" * least, **members))


async def test_a_secret_longer_than_the_hash_s_block_is_not_registered(provider: Provider) -> None:
    """HMAC would hash it first (RFC 2104 2), and that hash is what names the secret in lists, exports and the audit."""
    with pytest.raises(ManifestError) as refused:
        await register(provider, service("long", "client_secret_jwt", "s" * 65))
    assert "32 to 64" in str(refused.value)


async def test_rewrapping_the_key_encryption_key_loses_no_secret(tmp_path: Any) -> None:
    from idp.keyring import generate_key_encryption_key

    old, new, both = (tmp_path / name for name in ("old", "new", "both"))
    for path in (old, new):
        generate_key_encryption_key(path)
    both.write_text(new.read_text() + old.read_text())
    data = tmp_path / "data"
    async with Provider(data_dir=data, key_encryption_key_file=old) as provider:
        await register(provider, MAC)
    async with Provider(data_dir=data, key_encryption_key_file=both) as provider:
        assert (await provider.control("keys.rewrap"))["secrets"]
    async with Provider(data_dir=data, key_encryption_key_file=new) as provider:
        assert (await present(provider, mac(provider))).status_code == 200


async def test_with_the_key_encryption_key_lost_a_file_brings_the_secret_back(tmp_path: Any) -> None:
    from idp.app import make_server
    from idp.features import FEATURES
    from idp.keyring import generate_key_encryption_key
    from idp.testing.seed import test_settings

    old, new = tmp_path / "old", tmp_path / "new"
    for path in (old, new):
        generate_key_encryption_key(path)
    data = tmp_path / "data"
    async with Provider(data_dir=data, key_encryption_key_file=old) as provider:
        await register(provider, MAC)
        clock = provider.clock
    settings = test_settings(data, "http://localhost:8000", key_encryption_key_file=new)
    server = make_server(settings, FEATURES, clock)
    report = await server.keyring.rotate(emergency=True, fresh=True, new_kek=True)
    assert any("client_secret_jwt" in line for line in report.ends)
    await server.database.aclose()
    async with Provider(data_dir=data, key_encryption_key_file=new, clock=clock) as provider:
        challenged(await present(provider, mac(provider)))
        assert (await provider.apply(MAC.toml()))["changed"] == 1
        assert (await present(provider, mac(provider))).status_code == 200
