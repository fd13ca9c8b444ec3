"""The table of operations by name. Each takes the server and plain values, and answers plain values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from idp.control import (
    applying,
    clients,
    exporting,
    importing,
    keys,
    people,
    probing,
    registration,
    resources,
    watching,
)
from idp.control.backup import backup
from idp.control.errors import ControlError
from idp.keyring import KeyringError
from idp.server import Server
from idp.store.database import Unavailable

Operation = Callable[..., Awaitable[dict[str, Any]]]

OPERATIONS: Mapping[str, Operation] = {
    "token": people.token,
    "probe.tokens": probing.tokens,
    "user.add": people.add,
    "user.passwd": people.passwd,
    "user.disable": people.disable,
    "user.enable": people.enable,
    "user.logout": people.logout,
    "user.remove": people.remove,
    "user.unlock": people.unlock,
    "user.list": people.listing,
    "user.import": importing.add,
    "user.import.known": importing.known,
    "apply": applying.apply,
    "export": exporting.export,
    "client.add": clients.add,
    "client.disable": clients.disable,
    "client.enable": clients.enable,
    "client.remove": clients.remove,
    "client.list": clients.listing,
    "client.secret.add": clients.add_secret,
    "client.secret.retire": clients.retire_secret,
    "client.secret.list": clients.secrets,
    "registration.token.add": registration.add_token,
    "registration.token.list": registration.list_tokens,
    "registration.token.remove": registration.remove_token,
    "resource.add": resources.add,
    "resource.remove": resources.remove,
    "resource.list": resources.listing,
    "keys.list": keys.listing,
    "keys.rotate": keys.rotate,
    "keys.revoke": keys.revoke,
    "keys.rewrap": keys.rewrap,
    "keys.jwks": keys.jwks,
    "audit.tail": watching.audit_tail,
    "audit.export": exporting.audit_export,
    "logout.deliveries": watching.logout_deliveries,
    "deploy_check": watching.deploy_check,
    "backup": backup,
    "info": watching.info,
}


async def run(server: Server, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ControlError for whatever the operator can mend."""
    function = OPERATIONS.get(operation)
    if function is None:
        raise ControlError("an operation of this version", received=operation, expected=", ".join(OPERATIONS))
    try:
        result = await function(server, **arguments)
    except KeyringError as error:
        raise ControlError(error.rule, received=error.received, expected=error.expected, mend=error.mend) from error
    except Unavailable as error:
        raise ControlError("the database answers", received=str(error), expected="a free, writable database") from error
    await server.reload_registry()
    return result
