"""``idp serve --tls-cert --tls-key``: a pair that cannot be used stops the start, in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_support import Idp
from support.certificates import certificate


@pytest.fixture
def pair(idp: Idp, here: Path) -> tuple[Path, Path]:
    assert idp("init", "--issuer", "https://id.example.com").status == 0
    return certificate(here)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--tls-cert", ["without tls_key_file", "add tls_key_file"]),
        ("--tls-key", ["without tls_certificate_file", "add tls_certificate_file"]),
    ],
)
def test_one_of_the_pair_is_refused(idp: Idp, pair: tuple[Path, Path], option: str, words: list[str]) -> None:
    said = idp("serve", option, str(pair[0]))
    assert said.status == 2
    assert all(word in said.err for word in words), said.err


def test_files_that_are_not_there(idp: Idp, pair: tuple[Path, Path]) -> None:
    for absent in pair:
        kept = absent.rename(absent.with_suffix(".away"))
        refused(idp, pair, "must be readable by the user that serves", absent.name, "No such file")
        absent.mkdir()
        refused(idp, pair, "must be readable by the user that serves", absent.name, "Is a directory")
        absent.rmdir()
        kept.rename(absent)


def test_a_key_of_another_certificate(idp: Idp, pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    _, other = certificate(tmp_path / "other")
    refused(idp, (pair[0], other), "the private key belongs to the certificate", "other", "issued together")


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("content", ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_pem(idp: Idp, pair: tuple[Path, Path], which: int, content: str) -> None:
    pair[which].write_text(content)
    refused(idp, pair, "certificate and key are PEM", pair[which].name, "openssl")


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(
    idp: Idp, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "locked").mkdir()
    locked = certificate(tmp_path / "locked", passphrase=b"s3cret")
    refused(idp, locked, "the key without a passphrase", "openssl pkey")


def refused(idp: Idp, pair: tuple[Path, Path], *words: str) -> None:
    for workers in ("1", "2"):
        options = {"IDP_DATABASE": "postgresql://nobody@127.0.0.1:1/none"} if workers == "2" else {}
        with pytest.MonkeyPatch.context() as environ:
            for name, value in options.items():
                environ.setenv(name, value)
            environ.setenv("IDP_LISTEN_PORT", "0")
            said = idp("serve", "--workers", workers, "--tls-cert", str(pair[0]), "--tls-key", str(pair[1]))
        assert said.status == 2, said.err
        assert all(word in said.err for word in words), said.err
        assert "Traceback" not in said.err
