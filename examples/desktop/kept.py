"""Where the refresh token stays between two starts: the key ring of the operating system, or nowhere.

``pip install keyring`` brings the first (Keychain, Credential Manager, Secret Service). Without it the token lives in
this process alone, and the person signs in at the next start. There is no file in between on purpose: a refresh token
in a file is read by every program of that person, by every backup, and by whoever finds the disk.
"""

import contextlib

try:
    import keyring
    from keyring.errors import KeyringError
except ImportError:
    keyring = None

SERVICE = "examples.idp.desktop"
_memory: dict[str, str] = {}


def keep(name: str, token: str) -> str:
    """Keep it under that name, in place of what was there; where it is now, in words."""
    if keyring is not None:
        try:
            keyring.set_password(SERVICE, name, token)
        except KeyringError:  # installed, but this machine has none, or it stays locked
            pass
        else:
            return "the key ring of this machine"
    _memory[name] = token
    return "memory until the program ends (pip install keyring keeps it longer)"


def find(name: str) -> str | None:
    if keyring is not None:
        try:
            return keyring.get_password(SERVICE, name) or _memory.get(name)
        except KeyringError:
            pass
    return _memory.get(name)


def forget(name: str) -> None:
    _memory.pop(name, None)
    if keyring is not None:
        with contextlib.suppress(KeyringError):
            keyring.delete_password(SERVICE, name)
