"""HI-02, BF: who a request comes from, when whoever sends it lies about that in every way there is."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.web.peer import UNKNOWN, IPAddress, Proxies

SOURCE = Path(__file__).parent.parent.parent / "idp"
TRUSTED = ("10.0.0.0/8", "fd00::/8")
CALLER = "203.0.113.9"
LIES = (
    "198.51.100.7",
    "10.1.1.1",
    "127.0.0.1",
    "198.51.100.7, 10.0.0.2",
    "10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4",
    "::1",
    "[fd00::1]:443",
    "fe80::1%eth0",
    "unknown",
    "_hidden",
    "",
    ",",
    " , ,, ",
    "'; DROP TABLE",
    "for=198.51.100.7",
    "198.51.100.7\t,",
    "9" * 5000,
    "198.51.100.7," * 900,
    "\xff\x00\xa0",
    '"198.51.100.7"',
)


def scope(client: str | None, *headers: tuple[str, str]) -> dict[str, Any]:
    return {
        "client": (client, 4711) if client is not None else None,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }


def via(lies: list[str], caller: str, proxies: list[str], *, own_line: bool = False) -> dict[str, Any]:
    """A request from ``caller`` through ``proxies``, each of which appends whom it saw to the last line or to a new."""
    if not proxies:
        return scope(caller, *(("x-forwarded-for", lie) for lie in lies))
    appended = ", ".join([caller, *proxies[:-1]])
    lines = list(lies)
    if lines and not own_line:
        lines[-1] = f"{lines[-1]}, {appended}"
    else:
        lines.append(appended)
    return scope(proxies[-1], *(("x-forwarded-for", line) for line in lines))


@pytest.mark.parametrize("hops", [1, 2, 3, 4])
@pytest.mark.parametrize("own_line", [False, True])
@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie[:20])
def test_hi_02_what_a_caller_writes_counts_nothing(lie: str, hops: int, own_line: bool) -> None:
    proxies = [f"10.0.0.{number}" for number in range(1, hops + 1)]
    for lies in ([lie], [lie, lie], [lie, "10.0.0.9", lie]):
        found = Proxies(TRUSTED, hops).address_of(via(lies, CALLER, proxies, own_line=own_line))
        assert str(found) == CALLER


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie[:20])
@pytest.mark.parametrize("trusted", [(), ("192.0.2.0/24",), TRUSTED])
def test_hi_02_nobody_but_a_named_proxy_is_believed(lie: str, trusted: tuple[str, ...]) -> None:
    assert str(Proxies(trusted, 4).address_of(via([lie, lie], CALLER, []))) == CALLER


def test_a_caller_inside_a_trusted_network_cannot_reach_past_the_hops() -> None:
    """Who stands where proxies stand is believed like one, but the number of proxies is the operator's."""
    inside = "10.9.9.9"
    for hops in (1, 2, 3):
        proxies = [f"10.0.0.{number}" for number in range(1, hops + 1)]
        found = Proxies(TRUSTED, hops).address_of(via(["198.51.100.7"], inside, proxies))
        assert str(found) == inside


@pytest.mark.parametrize(
    ("client", "line", "found"),
    [
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::5]:4711", "2001:db8::5"),
        ("10.0.0.1", "[2001:db8::5]", "2001:db8::5"),
        ("10.0.0.1", "2001:db8::5", "2001:db8::5"),
        ("10.0.0.1", "2001:DB8:0::5", "2001:db8::5"),
        ("10.0.0.1", "fe80::5%eth0", "fe80::5"),
        ("10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("fd00::1", "  203.0.113.9  ", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.009", "10.0.0.1"),  # a spelling that some read as octal
        ("10.0.0.1", "3405803785", "10.0.0.1"),
        ("10.0.0.1", "203.0.113", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),  # the proxy does not know either: it is the last that is known
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_an_address_as_proxies_write_it(client: str, line: str, found: str) -> None:
    assert str(Proxies(TRUSTED, 1).address_of(scope(client, ("x-forwarded-for", line)))) == found


def test_no_header_but_the_one_is_read() -> None:
    others = ("forwarded", "x-real-ip", "x_forwarded_for", "x-forwarded", "client-ip", "true-client-ip", "x-client-ip")
    asked = scope("10.0.0.1", *((name, "198.51.100.7") for name in others))
    assert str(Proxies(TRUSTED, 4).address_of(asked)) == "10.0.0.1"
    assert Proxies(TRUSTED, 4).address_of(scope(None, ("x-forwarded-for", CALLER))) is None
    assert Proxies(TRUSTED, 4).network_of(scope(None)) == UNKNOWN
    assert Proxies((), 1).network_of(scope("fe80::1%eth0")) == "fe80::/56"
    assert Proxies((), 1).network_of(scope("203.0.113.9")) == "203.0.113.0/24"
    assert Proxies((), 1).network_of(scope("2001:db8:0:1ff::5")) == "2001:db8:0:100::/56"


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(
    lambda address: getattr(address, "ipv4_mapped", None) or address
)
inside = st.one_of(st.ip_addresses(network="10.0.0.0/8"), st.ip_addresses(network="fd00::/8"))
junk = st.one_of(
    st.sampled_from(LIES),
    st.text(st.characters(max_codepoint=255)),
    st.lists(st.one_of(addresses, inside).map(str)).map(",".join),
)


@given(
    caller=st.one_of(addresses, inside),
    proxies=st.lists(inside, max_size=4),
    one=st.lists(junk, max_size=4),
    other=st.lists(junk, max_size=4),
    own_line=st.booleans(),
)
def test_hi_02_whatever_stands_left_of_what_the_proxies_append(
    caller: IPAddress, proxies: list[IPAddress], one: list[str], other: list[str], own_line: bool
) -> None:
    """The same caller by the same way is the same caller, and it is the caller."""
    way = [str(proxy) for proxy in proxies]
    judge = Proxies(TRUSTED if way else (), max(len(way), 1))
    found = {judge.address_of(via(lies, str(caller), way, own_line=own_line)) for lies in (one, other, [])}
    assert found == {caller}


def test_hi_02_one_file_reads_what_proxies_say() -> None:
    """Nothing can depend on a header that nobody reads."""
    names = ("forwarded", "x-forwarded", "x-real", "x-original", "x-rewrite", "x-client-ip", "true-client")
    readers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str | bytes)
        and (node.value if isinstance(node.value, str) else node.value.decode("latin-1"))
        .lower()
        .replace("_", "-")
        .startswith(names)
    }
    assert readers - {"diagnosis/doctor.py"} == {"web/peer.py"}, "doctor forges them, at providers that it looks at"
