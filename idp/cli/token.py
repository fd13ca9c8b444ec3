"""``idp token`` and ``idp refresh``: tokens at the prompt. Only the access token goes to standard output."""

from __future__ import annotations

import click

from idp.cli import say
from idp.cli.desk import Desk, pass_desk
from idp.cli.http import Answer, post_form
from idp.cli.session_file import FILE, StoredSession, load, save
from idp.cli.trouble import Trouble

HELLO = 'curl -i -H "Authorization: Bearer $T" {issuer}/hello'


@click.command()
@click.argument("person")
@click.option("--ttl", type=click.IntRange(1, 86_400), help="Seconds the access token lives; default: the settings'.")
@click.option("--client", help="The app it is issued to; default: the command line's own.")
@click.option("--scope", help="Words, one text. Default: what the app may ask for.")
@click.option("--resource", multiple=True, help="The API it is for (RFC 8707); may be repeated.")
@pass_desk
def token(
    desk: Desk, person: str, ttl: int | None, client: str | None, scope: str | None, resource: tuple[str, ...]
) -> None:
    """Get an access token for PERSON as the operator: no browser, no password, one audit line.

    \b
    T=$(idp token alice)
    """
    result = desk.call("token", person=person, ttl=ttl, client=client, scope=scope, resource=list(resource))
    folder = desk.settings().data_dir
    stored = StoredSession.of({**result, "person": person})
    path = save(folder, stored)
    say.line(stored.access_token)
    lives = say.moment(desk.clock() + result["expires_in"], desk.clock())
    say.note(f"access token for {say.printable(person)} as app {stored.client_id}, until {lives}")
    if stored.refresh_token:
        say.note(f"the refresh token is kept in {path}")
    say.next_commands(
        ("T=$(idp token " + say.printable(person) + ")", "keep it in a variable"),
        ("idp decode $T", "see what it says"),
        (HELLO.format(issuer=stored.issuer), "call a protected address")
        if desk.mode == "dev"
        else ("idp verify --issuer " + stored.issuer + " $T", "verify it with the public key"),
    )


@click.command()
@click.option("--replay", is_flag=True, help="Present the refresh token that was already replaced.")
@pass_desk
def refresh(desk: Desk, replay: bool) -> None:
    """Trade the stored refresh token for a new access token, over HTTP like any app."""
    folder = desk.settings().data_dir
    stored = load(folder)
    if replay:
        _replay(stored)
        return
    if not stored.refresh_token:
        raise Trouble(
            "no refresh token is stored",
            received=f"an access token alone in {folder / FILE}",
            expected="a client that may use refresh tokens",
            mend=f"idp token {stored.person or 'PERSON'} --scope 'openid offline_access'",
        )
    answer = _present(stored, stored.refresh_token)
    if answer.status != 200 or "access_token" not in answer.body:
        raise Trouble(
            "the server refused to refresh",
            received=answer.sentence,
            expected="200 with new tokens",
            mend=f"sign in again: idp token {stored.person or 'PERSON'}, and see idp audit tail",
        )
    renewed = stored.renewed(answer.body)
    save(folder, renewed)
    say.line(renewed.access_token)
    changed = "replaced" if renewed.refresh_token != stored.refresh_token else "still the same"
    say.note(f"new access token, {say.span(answer.body.get('expires_in', 0))}; the refresh token is {changed}")
    say.next_commands(
        ("idp refresh --replay", "present the replaced refresh token again and see what happens"),
    )


def _present(stored: StoredSession, refresh_token: str) -> Answer:
    fields = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": stored.client_id}
    return post_form(stored.token_endpoint, fields)


def _replay(stored: StoredSession) -> None:
    """The server's answer is the result here, whichever it is: showing it is what the command is for."""
    if not stored.previous_refresh_token:
        raise Trouble(
            "nothing to replay",
            received="no replaced refresh token is stored",
            expected="one refresh before",
            mend="idp refresh",
        )
    answer = _present(stored, stored.previous_refresh_token)
    say.line(f"the server answers {say.printable(answer.sentence)}")
    if answer.status == 200:
        same = answer.body.get("refresh_token") == stored.refresh_token
        what = "the same successor as before" if same else "tokens"
        say.line(f"within the grace time a lost answer is given again: {what}")
        say.next_commands(("idp refresh --replay", "after the grace time (lifetimes.refresh_grace) it is a theft"))
        return
    say.line("a replaced token that comes back late was stolen or copied: the whole family is revoked")
    say.next_commands(
        ("idp refresh", "the newest refresh token is dead too"),
        ("idp audit tail -n 5", "the line an operator sees"),
    )
