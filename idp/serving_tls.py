"""TLS without a proxy: the operator's certificate, and a renewed one taken up without a restart."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from idp.config.problems import ConfigurationError, Problem, quoted
from idp.settings import Settings

log = logging.getLogger("idp.tls")


class Certificate:
    """Certificate and private key of ``settings``, in a ``context`` that connections are made with.

    Raises ConfigurationError where the pair cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self.context = _load(*self._files)

    @classmethod
    def of(cls, settings: Settings) -> Certificate | None:
        """None where a proxy speaks TLS, or nobody."""
        certificate, key = settings.tls_certificate_file, settings.tls_key_file
        return None if certificate is None or key is None else cls(certificate, key)

    def read_again(self) -> bool:
        """Take up a renewed pair: new connections get it, open ones are not touched. A bad pair changes nothing."""
        try:
            _load(*self._files)  # apart, as loading a bad pair leaves half of it in the context
            self.context.load_cert_chain(*self._files, password=_no_passphrase)
        except (ConfigurationError, OSError, ValueError) as error:
            log.error("the certificate in use stays, the one on disk cannot be used: %s", error)
            return False
        log.info("read %s again: new connections get it", self._files[0])
        return True


def _load(certificate: Path, key: Path) -> ssl.SSLContext:
    for name, path in (("tls_certificate_file", certificate), ("tls_key_file", key)):
        _require_readable(name, path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325 3.1.1
    # Of TLS 1.2 the suites RFC 9325 4.2 recommends, which are all that FAPI 2.0 5.2.2 allows. TLS 1.3 has no others.
    context.set_ciphers("ECDHE+AESGCM")
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError([_unusable(certificate, key, error)]) from None
    return context


def _no_passphrase() -> str:
    """Without an answer OpenSSL would ask the terminal."""
    return ""


def _require_readable(name: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigurationError(
            [
                Problem(
                    rule=f"{name} must be readable by the user that serves",
                    received=f"{quoted(str(path))}: {error.strerror}",
                    expected="a PEM file",
                    mend="correct the path, or the file's owner and mode",
                )
            ]
        ) from None


def _unusable(certificate: Path, key: Path, error: ssl.SSLError | ValueError) -> Problem:
    if getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
        return Problem(
            rule="the private key belongs to the certificate",
            received=f"{quoted(str(key))} is the key of another certificate than {quoted(str(certificate))}",
            expected="the two files of one pair, the server's own certificate first in its file",
            mend="name the pair that was issued together",
        )
    return Problem(
        rule="certificate and key are PEM, the key without a passphrase",
        received=f"{quoted(str(certificate))} and {quoted(str(key))}: {_reason(error)}",
        expected='files that begin with "-----BEGIN CERTIFICATE-----" and "-----BEGIN PRIVATE KEY-----"',
        mend="convert them: openssl x509 -in FILE -out cert.pem, openssl pkey -in FILE -out key.pem",
    )


def _reason(error: ssl.SSLError | ValueError) -> str:
    """OpenSSL's word for it, which never holds key material."""
    return str(getattr(error, "reason", "") or "not readable as PEM").lower().replace("_", " ")
