"""Whether a password that people choose will do (NIST SP 800-63B 3.1.1.2): long enough, not common, not their name.

No rule about kinds of characters: they make passwords worse. Operators' own commands are not judged (docs/account.md).
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from zxcvbn_rs_py import Suggestion, Warning, zxcvbn

from idp.accounts.passwords import MAX_BYTES
from idp.protocol.client import Account

LEAST: Final = 8  # characters
_SCORED = 72  # characters that count: scoring grows with the square of the length, to 8 ms at a hundred
_ENOUGH = 10**8  # guesses; zxcvbn's score 3 of 4, "safely unguessable" behind a slow hash
_NAME_LEAST = 3  # a shorter name is part of many innocent passwords
_PERSONAL = ("email", "name", "given_name", "family_name", "nickname", "preferred_username", "phone_number")

# What is wrong, in a word the page has a sentence for.
_REASONS: tuple[tuple[Warning, str], ...] = (
    (Warning.ThisIsATop10Password, "common"),
    (Warning.ThisIsATop100Password, "common"),
    (Warning.ThisIsACommonPassword, "common"),
    (Warning.ThisIsSimilarToACommonlyUsedPassword, "nearly-common"),
    (Warning.AWordByItselfIsEasyToGuess, "word"),
    (Warning.NamesAndSurnamesByThemselvesAreEasyToGuess, "name"),
    (Warning.CommonNamesAndSurnamesAreEasyToGuess, "name"),
    (Warning.StraightRowsOfKeysAreEasyToGuess, "keyboard"),
    (Warning.ShortKeyboardPatternsAreEasyToGuess, "keyboard"),
    (Warning.RepeatsLikeAaaAreEasyToGuess, "repeats"),
    (Warning.RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess, "repeats"),
    (Warning.SequencesLikeAbcAreEasyToGuess, "sequence"),
    (Warning.RecentYearsAreEasyToGuess, "date"),
    (Warning.DatesAreOftenEasyToGuess, "date"),
)
# What does not help, where they tried it. The advice everybody gets stands on the page already.
_ADVICE: tuple[tuple[Suggestion, str], ...] = (
    (Suggestion.CapitalizationDoesntHelpVeryMuch, "capitals"),
    (Suggestion.AllUppercaseIsAlmostAsEasyToGuessAsAllLowercase, "capitals"),
    (Suggestion.ReversedWordsArentMuchHarderToGuess, "reversed"),
    (Suggestion.PredictableSubstitutionsDontHelpVeryMuch, "substitutions"),
)


@dataclass(frozen=True, slots=True)
class Weakness:
    """``reason`` and ``advice`` are words ``templates/parts/strength.html`` has sentences for."""

    reason: str
    advice: tuple[str, ...] = ()


async def weakness_of(password: str, account: Account, host: str) -> Weakness | None:
    """Why this person should not take this password, or None. ``host`` is the provider's own name."""
    if len(password) < LEAST:
        return Weakness("short")
    if len(password.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return Weakness("long")
    theirs = _theirs(account.username, account.claims)
    if any(len(name) >= _NAME_LEAST and name in _plain(password) for name in _names(account.username)):
        return Weakness("username")
    return await asyncio.to_thread(_guessable, password[:_SCORED], [*theirs, *_names(host)])


def _guessable(password: str, known: list[str]) -> Weakness | None:
    found = zxcvbn(password, known)
    if found.guesses >= _ENOUGH:
        return None
    feedback = found.feedback
    if feedback is None:
        return Weakness("weak")
    # zxcvbn has no word for what it knows of this very person.
    plain = _plain(password)
    if feedback.warning is None and any(len(word) >= _NAME_LEAST and word in plain for word in known):
        return Weakness("personal")
    reason = next((word for warning, word in _REASONS if warning == feedback.warning), "weak")
    advice = (word for suggestion, word in _ADVICE if suggestion in feedback.suggestions)
    return Weakness(reason, tuple(dict.fromkeys(advice)))


def _theirs(username: str, claims: Mapping[str, Any]) -> list[str]:
    """What others know of them, whole and in words."""
    texts = [username, *(value for name in _PERSONAL if isinstance(value := claims.get(name), str))]
    return list(dict.fromkeys(word for text in texts for word in [_plain(text), *_names(text), *_plain(text).split()]))


def _names(text: str) -> Iterable[str]:
    """A name, and where it is an address, what stands before the @."""
    plain = _plain(text)
    return dict.fromkeys(filter(None, (plain, plain.partition("@")[0])))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
