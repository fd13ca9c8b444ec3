"""The rules of a cached key set, with a clock that moves when told and fetches that end when told."""

import itertools
from concurrent.futures import Future

import pytest
from jose_issuer import Issuer, header, keys

from idp.jose import CacheLimits, Fetched, JoseError, KeySetCache, PublicKey
from idp.jose.jwks_rules import KeySetRules

HOUR = 3600.0


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def cache(issuer: Issuer) -> KeySetCache:
    return KeySetCache(issuer.start, clock=issuer.clock)


def refused(cache: KeySetCache, kid: str) -> str:
    with pytest.raises(JoseError) as refusal:
        cache.find_blocking(header(kid))
    return refusal.value.reason


def found(cache: KeySetCache, kid: str) -> PublicKey:
    key = cache.find_blocking(header(kid))
    assert key.kid == kid
    return key


def test_nothing_is_fetched_before_the_first_token_and_once_for_many(cache: KeySetCache, issuer: Issuer) -> None:
    assert issuer.fetches == 0
    for _ in range(100):
        found(cache, "a")
        found(cache, "b")
    assert issuer.fetches == 1


def test_a_thousand_unknown_kids_cost_one_fetch_in_30_s(cache: KeySetCache, issuer: Issuer) -> None:
    found(cache, "a")
    issuer.now += 31
    for n in range(1000):
        assert refused(cache, f"random-{n}") == "unknown_key"
        issuer.now += 0.0299
    assert issuer.fetches == 2
    found(cache, "a")


@pytest.mark.parametrize("down", [False, True], ids=["issuer up", "issuer down"])
def test_unknown_kids_for_an_hour_neither_flood_nor_evict(cache: KeySetCache, issuer: Issuer, down: bool) -> None:
    found(cache, "a")
    issuer.down = down
    for n in range(3600):
        issuer.now += 1
        refused(cache, f"random-{n}")
        found(cache, "a")
    # Renewals at four fifths of 300 s, or their retries, share the budget of one in 30 s.
    assert issuer.fetches <= 1 + 3600 / 30 + 8


def test_a_new_key_is_found_at_its_first_token(cache: KeySetCache, issuer: Issuer) -> None:
    found(cache, "a")
    issuer.published = "abc"
    issuer.now += 31
    found(cache, "c")
    assert issuer.fetches == 2


def test_within_the_cooldown_a_new_key_waits(cache: KeySetCache, issuer: Issuer) -> None:
    found(cache, "a")
    issuer.published = "abc"
    issuer.now += 29
    assert refused(cache, "c") == "unknown_key"
    issuer.now += 1
    found(cache, "c")


def test_renewal_starts_before_expiry_and_nobody_waits_for_it(cache: KeySetCache, issuer: Issuer) -> None:
    found(cache, "a")
    issuer.hold = True
    issuer.now += 239
    found(cache, "a")
    assert issuer.fetches == 1
    issuer.now += 2
    for _ in range(50):
        found(cache, "a")
    assert issuer.fetches == 2, "one in flight, whoever asks"
    issuer.published = "bc"
    issuer.answer()
    found(cache, "c")
    assert refused(cache, "a") == "unknown_key", "a key taken back counts no more"


def test_without_traffic_an_expired_set_is_renewed_before_it_answers(cache: KeySetCache, issuer: Issuer) -> None:
    found(cache, "a")
    issuer.published = "b"
    issuer.now += 301
    assert refused(cache, "a") == "unknown_key"
    assert issuer.fetches == 2


def test_an_issuer_down_for_hours_refuses_nobody(cache: KeySetCache, issuer: Issuer) -> None:
    found(cache, "a")
    issuer.down = True
    start = issuer.now
    while issuer.now < start + 11 * HOUR:
        issuer.now += 5
        found(cache, "a")
    assert issuer.fetches <= 11 * HOUR / 30 + 8
    issuer.down = False
    issuer.published = "bc"
    issuer.now += 31
    found(cache, "b")
    assert refused(cache, "a") == "unknown_key"


def test_stale_keys_do_not_live_for_ever(cache: KeySetCache, issuer: Issuer) -> None:
    found(cache, "a")
    issuer.down = True
    issuer.now += 12 * HOUR + 299
    found(cache, "a")
    issuer.now += 31
    assert refused(cache, "a") == "keys_unavailable"
    issuer.down = False
    issuer.now += 31
    found(cache, "a")


@pytest.mark.parametrize(("said", "hours"), [(0.0, 1), (7200.0, 2), (9e9, 24)])
def test_what_the_issuer_says_about_stale_keys_counts_within_bounds(said: float, hours: int) -> None:
    rules = KeySetRules(CacheLimits())
    rules.succeeded(Fetched(keys("a"), None, 300.0, said), 0.0)
    assert rules.usable(300 + hours * HOUR - 1)
    assert not rules.usable(300 + hours * HOUR)


@pytest.mark.parametrize(
    ("max_age", "renewed_at"), [(None, 240), (1.0, 0.8), (0.0, 24), (600.0, 480), (9e9, 0.8 * 24 * HOUR)]
)
def test_what_the_issuer_says_about_freshness_counts_within_bounds(max_age: float | None, renewed_at: float) -> None:
    rules = KeySetRules(CacheLimits())
    rules.succeeded(Fetched(keys("a"), None, max_age), 0.0)
    assert not rules.consider(header("a"), renewed_at - 0.01).fetch
    assert rules.consider(header("a"), renewed_at + 0.01).fetch


def test_a_cold_cache_with_the_issuer_down_says_so_and_recovers(cache: KeySetCache, issuer: Issuer) -> None:
    issuer.down = True
    with pytest.raises(JoseError, match="nobody answers"):
        cache.find_blocking(header("a"))
    for _ in range(100):
        assert refused(cache, "a") == "keys_unavailable"
    assert issuer.fetches == 1, "the next try waits"
    issuer.down = False
    issuer.now += 1
    found(cache, "a")


def test_failures_are_retried_ever_more_slowly(cache: KeySetCache, issuer: Issuer) -> None:
    issuer.down = True
    tries = []
    for _ in range(200):
        before = issuer.fetches
        refused(cache, "a")
        if issuer.fetches > before:
            tries.append(issuer.now)
        issuer.now += 1
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert gaps[:6] == [1, 2, 4, 8, 16, 30]
    assert set(gaps[6:]) == {30}


def test_an_unchanged_set_is_asked_for_by_its_etag(cache: KeySetCache, issuer: Issuer) -> None:
    found(cache, "a")
    for _ in range(3):
        issuer.now += 301
        found(cache, "a")
    assert issuer.etags == [None, '"ab"', '"ab"', '"ab"']
    issuer.published = "bc"
    issuer.now += 301
    found(cache, "c")


def test_a_304_to_nobody_is_a_failure(issuer: Issuer) -> None:
    future: Future[Fetched] = Future()
    future.set_result(Fetched(None))
    cache = KeySetCache(lambda _: future, clock=issuer.clock)
    with pytest.raises(JoseError, match="304 where no key set is held") as refusal:
        cache.find_blocking(header("a"))
    assert refusal.value.reason == "keys_unavailable"


@pytest.mark.parametrize("step", [-1e6, -31.0])
def test_a_clock_set_back_renews_instead_of_sleeping(cache: KeySetCache, issuer: Issuer, step: float) -> None:
    found(cache, "a")
    issuer.now += step
    issuer.published = "ac"
    found(cache, "a")
    assert issuer.fetches == 2
    found(cache, "c")
    assert issuer.fetches == 2


def test_a_fetch_that_never_ends_blocks_the_next_one_for_a_minute_only(issuer: Issuer) -> None:
    cache = KeySetCache(issuer.start, clock=issuer.clock, patience=0.0)
    issuer.hold = True
    assert refused(cache, "a") == "keys_unavailable"
    issuer.now += 59
    assert refused(cache, "a") == "keys_unavailable"
    assert issuer.fetches == 1
    issuer.now += 2
    issuer.hold = False
    issuer.open.clear()
    found(cache, "a")


def test_a_start_that_fails_is_a_failed_fetch(issuer: Issuer) -> None:
    def start(_: str | None) -> Future[Fetched]:
        raise RuntimeError("no more threads")

    cache = KeySetCache(start, clock=issuer.clock)
    with pytest.raises(JoseError, match="no more threads"):
        cache.find_blocking(header("a"))


def test_unknown_keys_are_named(cache: KeySetCache) -> None:
    with pytest.raises(JoseError) as refusal:
        cache.find_blocking(header("zz"))
    assert 'kid "zz"' in str(refusal.value)
    assert refusal.value.expected == "a, b"
    with pytest.raises(JoseError, match="no kid"):
        cache.find_blocking({"alg": "RS256"})
