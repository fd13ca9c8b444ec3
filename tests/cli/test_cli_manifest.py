"""The apply file: everything it can say, and what each mistake is answered with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from idp.manifest import Manifest, ManifestError, read_manifest
from idp.protocol.client import Client

SECRET = "0123456789abcdef0123456789abcdef"
WHOLE = f'''
[[clients]]
client_id = "shop"
client_name = "Shop"
client_secret = "{SECRET}"
redirect_uris = ["https://shop.example/cb", "http://localhost:3000/cb"]
post_logout_redirect_uris = ["https://shop.example/bye"]
token_endpoint_auth_method = "client_secret_post"
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
response_types = ["code"]
scope = "openid profile email offline_access"
application_type = "web"
id_token_signed_response_alg = "ES256"
access_token_signed_response_alg = "ES256"
authorization_signed_response_alg = "ES256"
backchannel_logout_uri = "https://shop.example/logout"
backchannel_logout_session_required = true
frontchannel_logout_uri = "https://shop.example/out"
frontchannel_logout_session_required = true
logo_uri = "https://shop.example/logo.png"
client_uri = "https://shop.example"
policy_uri = "https://shop.example/policy"
tos_uri = "https://shop.example/terms"
contacts = ["ops@shop.example"]
initiate_login_uri = "https://shop.example/start"
default_max_age = "1h"
require_auth_time = true
default_acr_values = ["urn:example:silver"]
subject_type = "pairwise"
sector_identifier_uri = "https://shop.example/sector.json"
software_id = "4NRB1-0XZABZI9E6-5SM3R"
software_version = "2.1"
resources = ["https://api.example"]
audiences = ["https://api.example"]
refresh = "session"
refresh_grace = "2m"
access_token_lifetime = 60
consent = "skip"
remember_consent = false
require_pkce = false
assertion_audience = "token_endpoint"
allowed_origins = ["https://spa.example"]
disabled = false

[[clients]]
client_id = "api"
client_secret_file = "app-secret"
grant_types = ["urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer"]
token_exchange = ["delegation", "impersonation"]
assertion_issuers = [{{ issuer = "https://partner.example", jwks_uri = "https://partner.example/jwks" }}]

[[clients]]
client_id = "app"
client_secret_file = "app-secret"
redirect_uris = ["https://app.example/cb"]

[[clients]]
client_id = "signer"
token_endpoint_auth_method = "private_key_jwt"
token_endpoint_auth_signing_alg = "EdDSA"
request_uris = ["https://shop.example/requests/1.jwt#v2"]
request_object_signing_alg = "EdDSA"
require_signed_request_object = true
require_pushed_authorization_requests = true
dpop_bound_access_tokens = true
refresh_rotation = false
profile = "fapi2"
id_token_signed_response_alg = "ES256"
access_token_signed_response_alg = "ES256"
redirect_uris = ["com.example.app:/cb"]
application_type = "native"
userinfo_signed_response_alg = "ES256"
introspection_signed_response_alg = "ES256"
[[clients.jwks.keys]]
kty = "OKP"
crv = "Ed25519"
kid = "one"
x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"

[[clients]]
client_id = "elsewhere"
token_endpoint_auth_method = "private_key_jwt"
jwks_uri = "https://elsewhere.example/keys"
grant_types = []
audiences = ["https://api.example"]

[[clients]]
client_id = "sealed"
client_secret = "a-secret-of-thirty-two-characters"
token_endpoint_auth_method = "client_secret_jwt"
redirect_uris = ["https://sealed.example/cb"]

[[people]]
username = "alice"
sub = "a-1"
password_file = "alice-password"
name = "Alice Archer"
given_name = "Alice"
family_name = "Archer"
middle_name = "M."
nickname = "Ali"
preferred_username = "alice"
profile = "https://example.com/alice"
picture = "https://example.com/alice.png"
website = "https://alice.example"
email = "alice@example.com"
email_verified = true
gender = "female"
birthdate = "0000-02-29"
zoneinfo = "Europe/Berlin"
locale = "de-CH"
phone_number = "+49 30 123456;ext=7"
phone_number_verified = false
[people.address]
formatted = "Way 1\\nBerlin"
street_address = "Way 1"
locality = "Berlin"
region = "BE"
postal_code = "10115"
country = "DE"

[[people]]
username = "bob"
password_hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$RdescudvJCsgt3ub+b+dWRWJTmaaJObG"

[[people]]
username = "zoë"
password = "a password"

[[scopes]]
name = "orders"
description = "See your orders"
claims = ["email", "address"]

[[resources]]
uri = "https://api.example"
name = "Orders API"
scopes = ["orders"]
access_token_signed_response_alg = "ES256"
access_token_lifetime = "10m"
'''


def written(folder: Path, text: str) -> Path:
    path = folder / "apply.toml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str) -> ManifestError:
    with pytest.raises(ManifestError) as refused:
        read_manifest(written(folder, text))
    return refused.value


@pytest.fixture
def whole(tmp_path: Path) -> Manifest:
    (tmp_path / "app-secret").write_text(f"{SECRET}\n")
    (tmp_path / "alice-password").write_text("correct horse\r\n")
    return read_manifest(written(tmp_path, WHOLE))


def test_a_file_may_say_everything_a_client_has(whole: Manifest) -> None:
    shop, _, app, signer, elsewhere, sealed = whole.clients
    spoken = {member for client in whole.clients for member in msgspec.to_builtins(client)}
    # A member at its default leaves no trace in the encoding; the server seals, and so writes its own.
    assert set(Client.__struct_fields__) - spoken == {"disabled", "registered", "sealed_secrets"}
    assert elsewhere.grant_types == ()
    assert whole.secrets == {sealed.client_id: "a-secret-of-thirty-two-characters"}
    assert shop.secret_hashes == app.secret_hashes == (hashlib.sha256(SECRET.encode()).digest(),)
    assert (shop.refresh_grace, shop.default_max_age, shop.access_token_lifetime) == (120, 3600, 60)
    assert signer.jwks is not None
    assert signer.jwks["keys"][0]["kid"] == "one"


def test_people_scopes_and_resources(whole: Manifest) -> None:
    alice, bob, zoe = whole.people
    assert (alice.sub, alice.password, alice.password_hash) == ("a-1", "correct horse", None)
    assert alice.claims["address"]["country"] == "DE"
    assert len(alice.claims) == 18
    assert bob.password is None
    assert bob.password_hash is not None
    assert zoe.claims == {}
    assert whole.scopes[0].claims == ("email", "address")
    assert whole.resources[0].access_token_lifetime == 600


def test_it_goes_through_json_unchanged(whole: Manifest) -> None:
    """Commands send it to the running server over a socket."""
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(whole)), Manifest) == whole
    assert msgspec.convert(msgspec.to_builtins(whole), Manifest) == whole


def test_passwords_do_not_print(whole: Manifest) -> None:
    assert "thirty-two" not in repr(whole)
    assert "correct horse" not in repr(whole)
    assert "argon2" not in repr(whole)


CLIENT = f'[[clients]]\nclient_id = "a"\nclient_secret = "{SECRET}"\nredirect_uris = ["https://a.example"]\n'
HS512 = "token_endpoint_auth_method = 'client_secret_jwt'\ntoken_endpoint_auth_signing_alg = 'HS512'\n"
PERSON = '[[people]]\nusername = "alice"\n'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[[client]]\n", 1, ["unknown section", "write 'clients'"]),
        ("clients = 3\n", 1, ["[[clients]]"]),
        ('clients = ["a"]\n', 1, ["[[clients]]"]),
        (CLIENT + "redirect_uri = 'x'\n", 5, ["'redirect_uri'", "write redirect_uris"]),
        (CLIENT + "secret_hashes = []\n", 5, ["'secret_hashes'", "client_secret_file"]),
        (CLIENT + "jwks_uri = 'x'\n", 5, ["jwks_uri", "full URI"]),
        (CLIENT + "jwks_uri = 'http://a.example/keys'\n", 5, ["jwks_uri", "https"]),
        (CLIENT + "jwks_uri = 'http://localhost/keys'\n", 5, ["jwks_uri", "https only"]),
        (CLIENT + "jwks_uri = 'https://10.0.0.1/keys'\n", 5, ["jwks_uri", "outbound.allow"]),
        (CLIENT + "jwks_uri = 'https://127.1/keys'\n", 5, ["jwks_uri", "outbound.allow"]),
        (CLIENT + "jwks_uri = 'https://k.localhost/keys'\n", 5, ["jwks_uri", "outbound.allow"]),
        (CLIENT + "sealed_secrets = ['x']\n", 5, ["'sealed_secrets'", "client_secret"]),
        (CLIENT + HS512, 3, ["long random", "64 to 64"]),
        (CLIENT + "grant_types = []\n", 5, ["grant_types", "not be empty"]),
        (CLIENT + "userinfo_signed_response_alg = 'HS256'\n", 5, ["userinfo_signed_response_alg", "'HS256'"]),
        (CLIENT + "introspection_signed_response_alg = 'none'\n", 5, ["introspection_signed_response_alg"]),
        (CLIENT + "consent = 'maybe'\n", 5, ["consent", "'maybe'", '"ask" or "skip"']),
        (CLIENT + "refresh_grace = '20m'\n", 5, ["refresh_grace", "1200", "600"]),
        (CLIENT + "refresh_grace = 'x'\n", 5, ["refresh_grace", "'x'"]),
        (CLIENT + "contacts = 'a@b'\n", 5, ["contacts", "list of text"]),
        (CLIENT + "contacts = ['a@b',\n 3]\n", 6, ["contacts", "3"]),
        (CLIENT + "require_pkce = 'no'\n", 5, ["require_pkce", "true or false"]),
        (CLIENT + "grant_types = ['password']\n", 5, ["grant_types", "'password'"]),
        (CLIENT + "client_secret_file = 'x'\n", 3, ["one way to give the secret"]),
        (
            "[[clients]]\nredirect_uris = ['https://a.example']\ntoken_endpoint_auth_method = 'none'",
            1,
            ["client_id is required"],
        ),
        (
            CLIENT.replace("https://a.example", "https://a.example', 'javascript:x").replace('"', "'"),
            4,
            ["javascript:x"],
        ),
        (CLIENT.replace(SECRET, "short"), 3, ["long random text"]),
        (CLIENT + CLIENT, 6, ["each client_id once", "line 2"]),
        (PERSON + "birthdate = '2001-02-29'\n", 3, ["birthdate", "YYYY-MM-DD"]),
        (PERSON + "email = 'alice'\n", 3, ["email", "name@host"]),
        (PERSON + "email_verified = 'yes'\n", 3, ["email_verified", "true or false"]),
        (PERSON + "website = 'javascript:x'\n", 3, ["website", "https"]),
        (PERSON + "zoneinfo = 'Berlin/Europe'\n", 3, ["zoneinfo"]),
        (PERSON + "locale = 'x y'\n", 3, ["locale"]),
        (PERSON + "phone_number = '030 123'\n", 3, ["phone_number"]),
        (PERSON + "updated_at = 3\n", 3, ["'updated_at'", "the server keeps it"]),
        (PERSON + "groups = ['x']\n", 3, ["'groups'"]),
        (PERSON + "sub = 'a b'\n", 3, ["sub"]),
        (PERSON + "sub = ''\n", 3, ["sub"]),
        (PERSON + "[people.address]\ncontry = 'DE'\n", 4, ["unknown name in address", "write 'country'"]),
        (PERSON + "password = ''\n", 3, ["password"]),
        (PERSON + "password = 7777777\n", 3, ["password", "(hidden)"]),
        (PERSON + "password_hash = ['7777777']\n", 3, ["password_hash", "(hidden)"]),
        (CLIENT.replace(f'"{SECRET}"', "7777777"), 3, ["one way to give the secret", "(hidden)"]),
        (PERSON + "password = 'p4ss'\npassword_hash = 'h4sh'\n", 4, ["one way", "password and password_hash"]),
        (PERSON + "password_hash = 'h4sh'\n", 3, ["argon2id", "(hidden)"]),
        (
            PERSON + "password_hash = '$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$aaaaaaaaaaaaaaaaaaaa'\n",
            3,
            ["262144"],
        ),
        (PERSON + "password_file = 'nowhere'\n", 3, ["must hold it", "nowhere"]),
        ("[[people]]\nusername = ' alice'\n", 2, ["typed again"]),
        ("[[people]]\nusername = 'al\\u200bice'\n".replace("'", '"'), 2, ["invisible"]),
        ("[[people]]\nusername = ''\n", 2, ["username"]),
        (PERSON + PERSON, 4, ["each username once", "line 2"]),
        (PERSON + "sub = 'x'\n[[people]]\nusername = 'b'\nsub = 'x'\n", 6, ["each sub once"]),
        ("[[scopes]]\nname = 'email'\n", 2, ["name", "standard scopes"]),
        ("[[scopes]]\nname = 'a'\nclaims = ['email',\n'emial']\n", 4, ["claims", "'emial'"]),
        ("[[resources]]\nuri = 'api'\n", 2, ["uri", "'api'"]),
        ("[[resources]]\nuri = 'https://a.example'\nscope = 'x'\n", 3, ["'scope'", "write 'scopes'"]),
    ],
)
def test_each_mistake_is_one_problem_on_its_line(tmp_path: Path, text: str, line: int, words: list[str]) -> None:
    problems = refusal(tmp_path, text).problems
    assert len(problems) == 1, "\n".join(map(str, problems))
    said = str(problems[0])
    assert problems[0].line == line, said
    assert all(word in said for word in words), said
    assert problems[0].mend
    assert all(secret not in said for secret in (SECRET, "p4ss", "h4sh", "7777777"))


def test_all_mistakes_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    lines = [problem.line for problem in refusal(tmp_path, PERSON + "x = 1\ny = 2\n" + CLIENT + "z = 3\n").problems]
    assert lines == [3, 4, 9]


def test_an_empty_file_asks_for_nothing(tmp_path: Path) -> None:
    assert read_manifest(written(tmp_path, "")) == Manifest()


def test_a_missing_file_is_a_refusal_too(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        read_manifest(tmp_path / "nowhere.toml")
