"""What an API says of itself, so that a client it refused finds the issuer to ask (RFC 9728)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .fetch import FetchError, target

WELL_KNOWN = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True, slots=True)
class Resource:
    """An API by its ``identifier``: an https address (or one on this machine), the same for every caller.

    ``scopes``, ``name`` and ``documentation`` (an address) are told to clients. ``ValueError`` for an identifier that
    is no such address or has a fragment (RFC 9728 section 1.2).
    """

    identifier: str
    scopes: Sequence[str] = ()
    name: str | None = None
    documentation: str | None = None

    def __post_init__(self) -> None:
        try:
            target(self.identifier)
        except FetchError as error:
            raise ValueError(f"resource: {error}") from error
        if "#" in self.identifier:
            raise ValueError(f"resource: {self.identifier} has a fragment (#), which a resource must not have")

    @property
    def metadata_url(self) -> str:
        """Where the document stands: the well-known part between host and path (RFC 9728 section 3.1)."""
        parts = urlsplit(self.identifier)
        rest = ("" if parts.path == "/" else parts.path) + (f"?{parts.query}" if parts.query else "")
        return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{rest}"

    @property
    def metadata_path(self) -> str:
        """The path of ``metadata_url``: the route to serve."""
        return urlsplit(self.metadata_url).path

    def metadata(self, issuers: Sequence[str], **more: Any) -> Mapping[str, Any]:
        """The document (RFC 9728 section 2), to be served as application/json; ``more`` members are added."""
        told = {
            "scopes_supported": list(self.scopes) or None,
            "resource_name": self.name,
            "resource_documentation": self.documentation,
            **more,
        }
        return {
            "resource": self.identifier,
            "authorization_servers": list(issuers),
            "bearer_methods_supported": ["header"],
            **{name: value for name, value in told.items() if value is not None},
        }
