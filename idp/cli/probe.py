"""``idp probe``: the attack kit for an API of your own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import click

from idp.cli import findings, say
from idp.cli.decode import read_token, understand
from idp.cli.desk import Desk, pass_desk
from idp.cli.keysource import keys_for, keys_of_issuer
from idp.cli.trouble import Trouble
from idp.config.addresses import is_loopback_host
from idp.diagnosis.finding import Finding, is_bad
from idp.diagnosis.forging import Material, Try, bearer
from idp.diagnosis.probe import Api, NothingShown, counts
from idp.diagnosis.probe import probe as run
from idp.diagnosis.stranger import Stranger, at_home, make_stranger
from idp.jose import PublicKey, read_unverified, thumbprint
from idp.outbound import Outbound

_LONGEST_WAIT = 60


@click.command()
@click.argument("url")
@click.option("--person", default="alice", show_default=True, help="Whom the good token is for.")
@click.option("--client", help="The app it is issued to; default: the command line's own.")
@click.option("--scope", help="The scopes the address needs, one text.")
@click.option("--resource", multiple=True, help="What the API calls itself (RFC 8707); may be repeated.")
@click.option(
    "--token", "given", help='A good token of any issuer, "-" for standard input: without the running provider.'
)
@click.option("--issuer", help="With --token: whose keys it is of; default: as it says, on this machine.")
@click.option(
    "--method", type=click.Choice(["GET", "POST", "PUT", "PATCH", "DELETE"]), default="GET", show_default=True
)
@click.option("--retire", is_flag=True, help="Also withdraw the signing key, to show a token of it: for idp dev.")
@click.option("--i-own-this", "owned", is_flag=True, help="The API is mine, though it is not on this machine.")
@click.option("--allow", multiple=True, help="With --i-own-this: a private network it is in, 10.1.0.0/16.")
@click.option("--json", "as_json", is_flag=True, help="Every row as JSON.")
@pass_desk
def probe(desk: Desk, /, url: str, as_json: bool, **options: Any) -> int:
    """Try a catalogue of bad tokens on your API at URL and tell which it accepts.

    \b
    idp probe http://localhost:5000/notes --resource https://api.example.com --scope read

    It begins with a good token, from the running provider. Exit status: 0 every bad one was refused, 1 not so,
    2 the good one was not accepted, so that nothing was shown.
    """
    here = _may(url, options["owned"])
    if options["retire"] and options["given"] is not None:
        raise Trouble(
            "--retire withdraws a key of the running provider", received="--token", mend="leave one out", status=2
        )
    try:
        found = asyncio.run(_probe(desk, url, here, options))
    except NothingShown as nothing:
        raise Trouble(
            nothing.rule, received=nothing.received, expected=nothing.expected, mend=nothing.mend, status=2
        ) from None
    told = counts(found)
    if as_json:
        findings.as_json(found, url=url, **told)
    else:
        _say(found, told)
    return 1 if is_bad(found) else 0


def _say(found: Sequence[Finding], told: Mapping[str, int]) -> None:
    say.line("ok    good          the good token is accepted, and no token is refused")
    findings.show(found)
    colour = "red" if is_bad(found) else "green"
    words = [f"{told['accepted']} wrongly accepted", f"{told['refused']} refused", f"{told['not_tried']} not tried"]
    if told["other"]:
        words.insert(1, f"{told['other']} answered badly")
    say.line(f"\n{click.style(', '.join(words), fg=colour, bold=True)}")


def _may(url: str, owned: bool) -> bool:
    """Whether the API is on this machine. Raises Trouble for another that nobody said to own."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname is not None
    except ValueError:
        known = False
    if not known:
        raise Trouble("the API has an address", received=url, expected="http://localhost:5000/path", status=2)
    here = is_loopback_host(parts.hostname)
    if not here and not owned:
        raise Trouble(
            "attacks are for what is yours",
            received=f"{parts.hostname}, which is not this machine",
            expected="a loopback address, or --i-own-this",
            mend="start the API here; or, if it is yours to attack, say so: --i-own-this",
            status=2,
        )
    if not here and parts.scheme != "https":
        raise Trouble("a good token travels by https alone", received=url, expected="https://...", status=2)
    return here


async def _probe(desk: Desk, url: str, here: bool, options: Mapping[str, Any]) -> list[Finding]:
    stranger = make_stranger(desk.clock())
    good, signed, answer = _tokens(desk, stranger, options)
    outbound = Outbound(options["allow"], loopback=here)
    async with AsyncExitStack() as held:
        held.push_async_callback(outbound.aclose)
        if here:
            await held.enter_async_context(at_home(stranger))
        material = Material(
            good=good,
            key=_key_of(good, options["issuer"], answer),
            stranger=stranger.signer,
            signed=signed,
            keys_at=stranger.keys_at if here else "",
            certificate_at=stranger.certificate_at if here else "",
            certificate=stranger.certificate_text,
        )
        api = Api(outbound, url, options["method"])
        found = await run(api, material, (), stranger.fetched)
        if options["retire"] and answer is not None:
            return await _with_retired(desk, api, material, found, options, answer, stranger)
        return found


def _tokens(
    desk: Desk, stranger: Stranger, options: Mapping[str, Any]
) -> tuple[str, Mapping[str, Sequence[str]], Mapping[str, Any] | None]:
    if options["given"] is not None:
        text = read_token(options["given"])
        understand(text)
        return text, {}, None
    answer = _from_provider(desk, stranger, options)
    return answer["good"], answer["bad"], answer


def _from_provider(desk: Desk, stranger: Stranger, options: Mapping[str, Any]) -> Mapping[str, Any]:
    asked = {name: options[name] for name in ("person", "client", "scope")}
    key = thumbprint(stranger.signer.jwk())
    return desk.call("probe.tokens", thumbprint=key, resource=list(options["resource"]), **asked)


def _key_of(good: str, issuer: str | None, answer: Mapping[str, Any] | None) -> PublicKey:
    if answer is not None:
        return keys_of_issuer(answer["issuer"]).prove(good)
    return (keys_of_issuer(issuer) if issuer else keys_for(understand(good), None)).prove(good)


async def _with_retired(
    desk: Desk,
    api: Api,
    material: Material,
    found: list[Finding],
    options: Mapping[str, Any],
    answer: Mapping[str, Any],
    stranger: Stranger,
) -> list[Finding]:
    """The row of the withdrawn key in place of its note: the old good token, once no cache may hold its key."""
    wait = answer["jwks_max_age"] + 1
    if wait > _LONGEST_WAIT:
        raise Trouble(
            "an API may keep the key set as long as the issuer said",
            received=f"keys.jwks_max_age is {answer['jwks_max_age']} s",
            expected=f"{_LONGEST_WAIT - 1} s at most, to wait for here",
            mend="use idp dev for this, or IDP_KEYS_JWKS_MAX_AGE=5 with a provider for testing",
            status=2,
        )
    kid = str(read_unverified(material.good).header["kid"])
    say.note(f"withdrawing key {kid}, then waiting {wait} s: so long an API may keep the key set")
    desk.call("keys.revoke", kid=kid)
    await asyncio.sleep(wait)
    fresh = _from_provider(desk, stranger, options)
    again = Material(fresh["good"], _key_of(fresh["good"], None, fresh), stranger.signer)
    shown = await run(api, again, [Try("retired-kid", "accepted until then", bearer(material.good))])
    row = next(finding for finding in shown if finding.check == "retired-kid")
    return [row if finding.check == "retired-kid" else finding for finding in found]
