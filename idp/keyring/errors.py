"""Why keys cannot be used, each with what was received, what was expected and the command that mends it."""

from __future__ import annotations


class KeyringError(Exception):
    """Keys cannot be used as asked: rule, received, expected and mending step, never a secret."""

    def __init__(self, rule: str, received: str, expected: str, mend: str) -> None:
        super().__init__(f"{rule}\n  received  {received}\n  expected  {expected}\n  mend      {mend}")
        self.rule = rule
        self.received = received
        self.expected = expected
        self.mend = mend


class KeyEncryptionKeyMissing(KeyringError):
    """There is no key-encryption key where one was named."""


class KeyEncryptionKeyExists(KeyringError):
    """A key-encryption key would have been overwritten."""


class KeyEncryptionKeyMalformed(KeyringError):
    """The file or variable does not hold key-encryption keys."""


class KeyEncryptionKeyMismatch(KeyringError):
    """The keys given do not open this database."""


class KeyEncryptionKeyKnown(KeyringError):
    """Starting over was asked for although nothing is lost."""


class KeyUnreadable(KeyringError):
    """A signing key or secret in the database cannot be opened or is not what it says."""


class KeyNotReady(KeyringError):
    """No key may sign this algorithm yet: it was taken into use less than its lead ago."""


class UnknownKey(KeyringError):
    """No key or secret has this name."""


class RingBusy(KeyringError):
    """Other nodes changed the ring under every attempt."""
