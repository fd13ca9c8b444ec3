"""What every command works with: the settings (read when needed), the time, the way to the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from idp.control import Call
    from idp.settings import Mode, Settings

SETTINGS_FILE = Path("idp.toml")


@dataclass(frozen=True, slots=True)
class Desk:
    """``settings_file`` None means no file: the settings of ``idp dev``."""

    settings_file: Path | None
    environ: Mapping[str, str]
    clock: Callable[[], float] = time.time
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def mode(self) -> Mode:
        """An installation has a file, or, in a container, an issuer that is not this machine."""
        if self.settings_file is not None:
            return "serve"
        from idp.config.addresses import is_loopback_host

        issuer = self.environ.get("IDP_ISSUER", "")
        return "serve" if issuer and not is_loopback_host(urlsplit(issuer).hostname) else "dev"

    def settings(self) -> Settings:
        """Raises SettingsError."""
        from idp.settings import load

        return load(self.settings_file, self.environ, self.mode, self.options)

    def issuer(self) -> str:
        """The running server's, which may have been started with a port of its own; else the settings'."""
        from idp.control.calling import running_issuer

        settings = self.settings()
        return running_issuer(settings) or settings.issuer

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One operation, in effect when this returns. Raises ControlError or SettingsError."""
        from idp.control import call

        with _in_four_parts():
            return call(self.settings(), operation, **arguments)

    @contextmanager
    def calls(self) -> Iterator[Call]:
        """Many operations in turn, as by ``call``, over one opening of the database."""
        from idp.control import calls

        with _in_four_parts(), calls(self.settings()) as talk:
            yield talk


@contextmanager
def _in_four_parts() -> Iterator[None]:
    from idp.control import ControlError
    from idp.keyring import KeyringError
    from idp.store.database import Unavailable

    try:
        yield
    except KeyringError as error:
        raise ControlError(error.rule, received=error.received, expected=error.expected, mend=error.mend) from None
    except Unavailable as error:
        raise ControlError("the database answers", received=str(error), mend="try again") from None


def find_settings_file(given: Path | None, environ: Mapping[str, str], *, dev: bool) -> Path | None:
    """``--settings``, then IDP_SETTINGS, then ``./idp.toml``; ``--dev`` means none of them."""
    if dev:
        return None
    if given is not None:
        return given
    if environ.get("IDP_SETTINGS"):
        return Path(environ["IDP_SETTINGS"])
    return SETTINGS_FILE if SETTINGS_FILE.is_file() else None


pass_desk = click.make_pass_decorator(Desk)
