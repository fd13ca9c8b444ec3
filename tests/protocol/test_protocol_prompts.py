"""What happens next (OIDC Core 3.1.2.1, 3.1.2.3, 3.1.2.4, 3.1.2.6): request and facts in, one step out."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_values import ALICE, BOB, GONE, NOW, client, consent, facts, hint, nobody, request, session

from idp.protocol.prompts import (
    AskConsent,
    Facts,
    Issue,
    Login,
    Refuse,
    SelectAccount,
    Step,
    may_act,
    next_step,
)
from idp.protocol.request import AuthorizationRequest

SKIPS = client(consent="skip")


def asks(*prompt: str, **changes: Any) -> AuthorizationRequest:
    return request(prompt=frozenset(prompt), **changes)


TABLE: list[tuple[str, AuthorizationRequest, Facts, str]] = [
    ("signed in and allowed", asks(), facts(), "issue"),
    ("nobody signed in", asks(), nobody(), "login"),
    ("a disabled person", asks(), facts(account=GONE), "login"),
    ("never allowed", asks(), facts(consent=None), "consent"),
    ("allowed less", asks(), facts(consent=consent("openid")), "consent"),
    ("allowed more", asks(), facts(consent=consent("openid", "profile", "email")), "issue"),
    ("another resource", asks(resources=("https://api.test",)), facts(), "consent"),
    (
        "that resource",
        asks(resources=("https://api.test",)),
        facts(consent=consent("openid", "profile", resources=("https://api.test",))),
        "issue",
    ),
    ("just allowed", asks(), facts(consent=None, consented=True), "issue"),
    ("the operator's own app", request(SKIPS), facts(consent=None), "issue"),
    ("no scope at all, never allowed", asks(scope=()), facts(consent=None), "consent"),
    # none
    ("none, all well", asks("none"), facts(), "issue"),
    ("none, nobody", asks("none"), nobody(), "login_required"),
    ("none, disabled", asks("none"), facts(account=GONE), "login_required"),
    ("none, not allowed", asks("none"), facts(consent=None), "consent_required"),
    ("none, too old", asks("none", max_age=99), facts(), "login_required"),
    ("none, another person", asks("none", hint=hint("bob")), facts(), "login_required"),
    # login
    ("login, signed in", asks("login"), facts(), "login"),
    ("login, just done", asks("login"), facts(signed_in="s1"), "issue"),
    ("login, done in another session", asks("login"), facts(signed_in="s0"), "login"),
    ("login consent, login done", asks("login", "consent"), facts(signed_in="s1"), "consent"),
    ("login consent, both done", asks("login", "consent"), facts(signed_in="s1", consented=True), "issue"),
    ("login consent, only consent done", asks("login", "consent"), facts(consented=True), "login"),
    # consent
    ("consent, remembered", asks("consent"), facts(), "consent"),
    ("consent, just given", asks("consent"), facts(consented=True), "issue"),
    ("consent at the operator's own app", request(SKIPS, prompt=frozenset({"consent"})), facts(), "consent"),
    # select_account
    ("select, signed in", asks("select_account"), facts(), "select"),
    ("select, this one chosen", asks("select_account"), facts(chosen="s1"), "issue"),
    ("select, another session chosen", asks("select_account"), facts(chosen="s0"), "select"),
    ("select, just signed in", asks("select_account"), facts(signed_in="s1"), "issue"),
    ("select, nobody", asks("select_account"), nobody(), "login"),
    ("select, chosen but too old", asks("select_account", max_age=10), facts(chosen="s1"), "login"),
    ("select login, chosen", asks("select_account", "login"), facts(chosen="s1"), "login"),
    ("select consent, chosen", asks("select_account", "consent"), facts(chosen="s1"), "consent"),
    # max_age
    ("max_age just met", asks(max_age=101), facts(), "issue"),
    ("max_age just missed", asks(max_age=100), facts(), "login"),
    ("max_age 0", asks(max_age=0), facts(session=session(age=0)), "login"),
    ("max_age 0, just signed in", asks(max_age=0), facts(session=session(age=0), signed_in="s1"), "issue"),
    # id_token_hint
    ("hint met", asks(hint=hint("alice")), facts(), "issue"),
    ("hint of another", asks(hint=hint("bob")), facts(), "login"),
    ("hint of another, who came", asks(hint=hint("bob")), facts(session=session("bob"), account=BOB), "issue"),
    ("hint of another, the wrong one came", asks(hint=hint("bob")), facts(signed_in="s1"), "login_required"),
    ("hint, nobody", asks(hint=hint("bob")), nobody(), "login"),
    # the account is of another person than the facts of the session: never issued for
    ("session without account", asks(), facts(account=None), "login"),
    ("account without session", asks(), facts(session=None), "login"),
]


def name_of(step: Step) -> str:
    names = {Issue: "issue", Login: "login", SelectAccount: "select", AskConsent: "consent"}
    return step.error if isinstance(step, Refuse) else names[type(step)]


@pytest.mark.parametrize(("given", "known", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_next_step(given: AuthorizationRequest, known: Facts, expected: str) -> None:
    assert name_of(next_step(given, known, NOW)) == expected


@pytest.mark.parametrize(("given", "known", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_every_step_but_the_last_has_its_reason(given: AuthorizationRequest, known: Facts, expected: str) -> None:
    step = next_step(given, known, NOW)
    assert isinstance(step, Issue) or step.reason


def test_what_is_issued_is_the_session_and_its_person() -> None:
    step = next_step(asks(), facts(), NOW)
    assert step == Issue(session(), ALICE)


PROMPTS = [
    frozenset(words)
    for size in range(4)
    for words in itertools.combinations(("login", "consent", "select_account"), size)
]
REQUESTS = st.builds(
    request,
    app=st.sampled_from([client(), SKIPS]),
    prompt=st.sampled_from([*PROMPTS, frozenset({"none"})]),
    max_age=st.none() | st.integers(0, 300),
    hint=st.none() | st.sampled_from([hint("alice"), hint("bob")]),
    scope=st.sampled_from([("openid",), ("openid", "profile"), ("openid", "email"), ()]),
    resources=st.sampled_from([(), ("https://api.test",)]),
)
FACTS = st.builds(
    Facts,
    session=st.none()
    | st.builds(session, st.sampled_from(["alice", "bob"]), st.floats(0, 300), st.sampled_from(["s1", "s2"])),
    account=st.none() | st.sampled_from([ALICE, BOB, GONE]),
    consent=st.none() | st.sampled_from([consent("openid", "profile"), consent("openid", "profile", "email")]),
    signed_in=st.none() | st.sampled_from(["s1", "s2"]),
    chosen=st.none() | st.sampled_from(["s1", "s2"]),
    consented=st.booleans(),
)


@given(REQUESTS, FACTS)
def test_whatever_is_asked(asked: AuthorizationRequest, known: Facts) -> None:
    step = next_step(asked, known, NOW)
    if "none" in asked.prompt:
        assert isinstance(step, (Issue, Refuse)), "no page under prompt=none (OIDC Core 3.1.2.1)"
    if not isinstance(step, Issue):
        return
    assert known.session is not None
    assert known.account is not None
    assert not known.account.disabled
    fresh = known.signed_in == known.session.id
    assert fresh or "login" not in asked.prompt
    assert fresh or asked.max_age is None or NOW - known.session.auth_time < asked.max_age
    assert asked.hint is None or asked.hint.subject == known.account.id
    covered = known.consent is not None and known.consent.covers(asked)
    assert known.consented or asked.client.consent == "skip" or covered
    assert known.consented or "consent" not in asked.prompt


@given(REQUESTS, FACTS)
def test_signing_in_as_the_wanted_person_and_allowing_always_ends_it(asked: AuthorizationRequest, known: Facts) -> None:
    """No loop: after each page was answered once there is an answer."""
    wanted = BOB if asked.hint is not None and asked.hint.subject == "bob" else ALICE
    done = facts(session=session(wanted.id), account=wanted, signed_in="s1", chosen="s1", consented=True)
    assert isinstance(next_step(asked, done, NOW), Issue)


@pytest.mark.parametrize(
    ("account", "client_disabled", "may"),
    [(ALICE, False, True), (None, False, True), (GONE, False, False), (ALICE, True, False), (None, True, False)],
)
def test_the_gate(account: Any, client_disabled: bool, may: bool) -> None:
    assert (may_act(account, client_disabled) is None) is may
