"""Payloads and texts that are no token, whoever signed them."""

import json
from typing import Any

import pytest
from jose_tokens import BODY, CLAIMS, GOOD, HEAD, HEADER, SIGNATURE, signed, verify

from idp.jose import JoseError, read_unverified

DEEP = 3000
PAYLOADS = {
    "a list": [CLAIMS],
    "a text": "claims",
    "null": None,
    "a number": 3,
    "empty": b"",
    "no JSON": b"sub=alice",
    "lists 3,000 deep": b'{"x":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "objects 1,500 deep": b'{"x":' * 1500 + b"1" + b"}" * 1500,
    "open lists": b"[" * 9000,
    "closed lists only": b"]" * 9000,
    "17 levels": b"[" * 17 + b"]" * 17,
    "an integer of 5,000 digits": b'{"exp":' + b"9" * 5000 + b"}",
    "a negative of 5,000 digits": b'{"exp":-' + b"9" * 5000 + b"}",
    "a fraction of 5,000 digits": b'{"exp":0.' + b"9" * 5000 + b"}",
    "1e999": b'{"exp":1e999}',
    "-1e999": b'{"exp":-1e999}',
    "NaN": b'{"exp":NaN}',
    "Infinity": b'{"exp":Infinity}',
    "-Infinity": b'{"exp":-Infinity}',
    "a member twice": b'{"sub":"alice","sub":"bob"}',
    "a member twice by escape": b'{"sub":"alice","s\\u0075b":"bob"}',
    "half a surrogate pair": b'{"sub":"\\ud800"}',
    "half a surrogate pair as a name": b'{"\\udfff":1}',
    "not UTF-8": b'{"sub":"\xc3\x28"}',
    "control characters": b'{"sub":"a\nb"}',
    "an open string": b'{"sub":"' + b'\\"' * 3000,
    "quotes": b'"' * 9000,
    "trailing comma": b'{"sub":"alice",}',
    "comment": b'{"sub":"alice"/**/}',
    "thousands of members and one twice": b"{" + b",".join(b'"%d":0' % n for n in range(1300)) + b',"0":1}',
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_payloads(payload: Any) -> None:
    token = signed(HEADER, payload)
    for reader in (read_unverified, verify):
        with pytest.raises(JoseError) as refusal:
            reader(token)
        assert refusal.value.reason == "malformed"


TEXTS = {
    "empty": "",
    "dots": "..",
    "one part": HEAD,
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{GOOD}.{SIGNATURE}",
    "five parts": f"{GOOD}.{SIGNATURE}.{SIGNATURE}",
    "a thousand parts": "." * 1000,
    "cut in the header": GOOD[3:],
    "header of one character": f"e.{BODY}.{SIGNATURE}",
    "padding": f"{HEAD}.{BODY}.{SIGNATURE}==",
    "the other alphabet": f"{HEAD}.{BODY}.{'+/' + SIGNATURE[2:]}",
    "line break": f"{HEAD}.{BODY}.{SIGNATURE}\n",
    "space in front": f" {GOOD}",
    "space inside": f"{HEAD}.{BODY[:8]} {BODY[8:]}.{SIGNATURE}",
    "NUL": f"{GOOD}\x00",
    "not ASCII": f"{GOOD}é",
    "full-width dots": GOOD.replace(".", "\uff0e"),
    "lone surrogate": f"{GOOD}\ud800",
    "bytes": GOOD.encode(),
    "None": None,
    "a number": 12,
    "JSON serialisation": json.dumps({"payload": BODY, "protected": HEAD, "signature": SIGNATURE}),
}


@pytest.mark.parametrize("token", TEXTS.values(), ids=TEXTS)
def test_texts_that_are_no_token(token: Any) -> None:
    for reader in (read_unverified, verify):
        with pytest.raises(JoseError) as refusal:
            reader(token)
        assert refusal.value.reason == "malformed"


def test_each_cut_of_a_token_is_refused() -> None:
    for length in range(len(GOOD)):
        with pytest.raises(JoseError):
            verify(GOOD[:length])


def test_each_changed_character_is_refused() -> None:
    """Among them the last one of each part, whose loose bits a tolerant decoder would not look at."""
    for place in range(len(GOOD)):
        for other in ("A", "B", "_"):
            if GOOD[place] != other:
                with pytest.raises(JoseError):
                    verify(GOOD[:place] + other + GOOD[place + 1 :])


@pytest.mark.parametrize("size", [16 * 1024 + 1, 10_000_000])
def test_giant_tokens_cost_nothing(size: int) -> None:
    with pytest.raises(JoseError) as refusal:
        verify("a" * size)
    assert refusal.value.reason == "too_large"
