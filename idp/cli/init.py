"""``idp init``: the settings file and the key-encryption key of a new installation. Overwrites nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from idp.cli import say
from idp.cli.desk import SETTINGS_FILE, Desk, pass_desk
from idp.cli.trouble import Trouble
from idp.config.problems import ConfigurationError
from idp.config.toml_writer import toml_value
from idp.settings import load
from idp.settings_described import describe
from idp.settings_rules import issuer_problem

KEY_FILE = Path("keys") / "key-encryption-key"


@click.command()
@click.option("--issuer", required=True, help="The public name, such as https://id.example.com.")
@click.option("--data-dir", default="data", show_default=True, help="Seen from the settings file.")
@click.option("--port", type=click.IntRange(1, 65_535), default=8000, show_default=True, help="Port to listen on.")
@pass_desk
def init(desk: Desk, issuer: str, data_dir: str, port: int) -> None:
    """Write idp.toml with every setting explained, and make the key that seals the private keys."""
    from idp.keyring import generate_key_encryption_key
    from idp.keyring.errors import KeyEncryptionKeyExists

    problem = issuer_problem(issuer)
    if problem is not None:
        raise ConfigurationError([problem])
    path = desk.settings_file or SETTINGS_FILE
    if path.exists():
        raise Trouble(
            "settings are never overwritten",
            received=f"{path} exists",
            expected="a folder without one",
            mend=f"edit it, or remove it first: {path}",
        )
    key = path.parent / KEY_FILE
    chosen: dict[str, str | int] = {
        "issuer": issuer,
        "data_dir": data_dir,
        "key_encryption_key_file": KEY_FILE.as_posix(),
        "listen_port": port,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        generate_key_encryption_key(key)
        say.line(f"made   {key}  (mode 0600; keep a copy elsewhere, it opens the private keys)")
    except KeyEncryptionKeyExists:
        say.line(f"found  {key}  (used as it is)")
    ignore = key.with_name(".gitignore")
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    with path.open("x", encoding="utf-8") as file:
        file.write(settings_text(chosen))
    say.line(f"wrote  {path}")
    settings = load(path, {}, "serve")
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    say.line(f"made   {settings.data_dir}  (mode 0700)")
    say.next_commands(
        ("idp migrate", "make the database"),
        ("idp user add NAME", "the first person"),
        ("idp check --deploy", "what is missing before going live"),
        ("idp serve", "start it"),
    )


def settings_text(chosen: Mapping[str, str | int]) -> str:
    """A settings file with every setting in it: those ``chosen`` in force, all others as a comment."""
    return "\n".join(_lines(chosen)) + "\n"


def _lines(chosen: Mapping[str, str | int]) -> Iterator[str]:
    yield "# Settings of idp. A line that begins with # shows the default; take the # away to change it."
    yield "# Each setting can be given as the environment variable beside it as well, which then wins."
    table = ""
    for row in describe():
        if not row.in_file:
            continue
        group, _, name = row.name.rpartition(".")
        if group != table:
            yield f"\n[{group}]"
            table = group
        yield f"\n# {row.meaning}"
        yield f"# {row.type}  {row.variable}"
        if row.name in chosen:
            yield f"{name} = {toml_value(chosen[row.name])}"
        else:
            yield f"# {name} = {row.default or _EXAMPLES[row.name]}"


_EXAMPLES = {
    "database": '"postgresql://idp:password@localhost/idp"',
    "tls_certificate_file": '"/etc/idp/fullchain.pem"',
    "tls_key_file": '"/etc/idp/privkey.pem"',
    "metrics_port": "9464",
    "operator_mail": '"help@example.com"',
    "key_encryption_key_file": f'"{KEY_FILE.as_posix()}"',
    "templates_dir": '"theme"',
    "password_exchange_client": '"legacy-client"',
    "passwords.workers": "4",
    "outbound.ca_file": '"ca.pem"',
}
