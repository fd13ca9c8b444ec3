"""``idp doctor``: any provider, looked at from outside."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import click

from idp.cli import findings, say
from idp.cli.desk import Desk, pass_desk
from idp.cli.trouble import Trouble
from idp.config.addresses import is_loopback_host
from idp.diagnosis.doctor import Doctor
from idp.diagnosis.finding import Finding, is_bad
from idp.outbound import Outbound
from idp.protocol.key_plan import KeyPlan

_DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


@click.command()
@click.argument("url")
@click.option("--origin", help="An app in a browser that has to get tokens: https://app.example.com.")
@click.option("--allow", multiple=True, help="A private network the provider is in: 10.1.0.0/16. May be repeated.")
@click.option(
    "--ca-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Trust this authority too."
)
@click.option("--json", "as_json", is_flag=True, help="Every finding as JSON.")
@pass_desk
def doctor(
    desk: Desk, url: str, origin: str | None, allow: tuple[str, ...], ca_file: Path | None, as_json: bool
) -> int:
    """Check the provider whose issuer is URL: ours, Keycloak, any. It reads alone; nobody is signed in.

    A red line says how to mend it, and makes the exit status 1. Addresses of private networks are not called unless
    --allow names them; this machine is, where URL is on it.
    """
    issuer = _issuer(url)
    here = is_loopback_host(urlsplit(issuer).hostname)
    found = asyncio.run(_examine(desk, issuer, Outbound(allow, ca_file, loopback=here), ca_file, origin))
    if as_json:
        findings.as_json(found, issuer=issuer, healthy=not is_bad(found))
    else:
        findings.show(found)
        wrong = sum(finding.state == "bad" for finding in found)
        verdict, colour = (f"{wrong} of {len(found)} to mend", "red") if wrong else ("nothing to mend", "green")
        say.line(f"\n{click.style(verdict, fg=colour, bold=True)}")
    return 1 if is_bad(found) else 0


async def _examine(
    desk: Desk, issuer: str, outbound: Outbound, ca_file: Path | None, origin: str | None
) -> list[Finding]:
    try:
        return await Doctor(outbound, desk.clock, ca_file, origin, _lead(desk, issuer)).examine(issuer)
    finally:
        await outbound.aclose()


def _issuer(url: str) -> str:
    """What people paste is often the document's address. The slash at the end counts: it stays."""
    for document in _DOCUMENTS:
        url = url.removesuffix(document)
    try:
        parts = urlsplit(url)
        known = parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(parts.hostname))
    except ValueError:
        known = False
    if not known or not parts.hostname:
        raise Trouble(
            "an issuer is https, or http on this machine", received=url, expected="https://id.example.com", status=2
        )
    return url


def _lead(desk: Desk, issuer: str) -> float | None:
    """For how long our own keys wait at least before they sign; None for another provider's."""
    from idp.config.problems import ConfigurationError
    from idp.control import ControlError

    try:
        settings = desk.settings()
        if not settings.data_dir.is_dir() or desk.issuer() != issuer:
            return None
    except (ConfigurationError, ControlError):
        return None
    return KeyPlan(longest_cache=settings.keys.longest_cache).lead
