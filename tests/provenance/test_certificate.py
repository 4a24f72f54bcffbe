from __future__ import annotations

import base64
import io
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from palm_assets.errors import ProvenanceError
from palm_assets.generation.png_metadata import encode_png
from palm_assets.provenance.certificate import (
    SELF_MADE_FILE,
    SELF_MADE_NAME,
    make_certificate,
    signing_identity,
)
from palm_assets.provenance.config import ProvenanceConfig
from palm_assets.provenance.content_credentials import read_credentials, signed

IMAGE = encode_png(np.full((3, 16, 16), 90, np.uint8))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PALM_HOME", str(tmp_path))
    return tmp_path


def written(folder: Path, name: str = "Example Studio") -> ProvenanceConfig:
    chain, key = make_certificate(name, "Example")
    (folder / "chain.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(key)
    return ProvenanceConfig(certificate=folder / "chain.pem", key=folder / "key.pem")


def test_the_self_made_certificate_is_kept_and_only_its_owner_can_read_the_key(home: Path) -> None:
    first, second = signing_identity(ProvenanceConfig()), signing_identity(ProvenanceConfig())
    assert first == second
    assert (first.name, first.self_made) == (SELF_MADE_NAME, True)
    assert stat.S_IMODE((home / SELF_MADE_FILE).stat().st_mode) == 0o600
    assert list((home / SELF_MADE_FILE).parent.iterdir()) == [home / SELF_MADE_FILE]
    assert b"PRIVATE" not in repr(first).encode()


@pytest.mark.parametrize("content", [b"", b"not a certificate", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_damaged_self_made_certificate_is_replaced(home: Path, content: bytes) -> None:
    (home / SELF_MADE_FILE).parent.mkdir()
    (home / SELF_MADE_FILE).write_bytes(content)
    made = signing_identity(ProvenanceConfig())
    assert signing_identity(ProvenanceConfig()) == made
    assert stat.S_IMODE((home / SELF_MADE_FILE).stat().st_mode) == 0o600


def test_a_certificate_that_cannot_be_read_now_is_not_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = make_certificate()
    with tempfile.TemporaryDirectory() as folder:  # which another user reaches, unlike `tmp_path`
        monkeypatch.setenv("PALM_HOME", folder)
        file = Path(folder) / SELF_MADE_FILE
        file.parent.mkdir()
        file.write_bytes(b"".join(made))
        file.chmod(0)
        if is_root := os.getuid() == 0:  # root reads everything
            Path(folder).chmod(0o777)
            file.parent.chmod(0o777)
            os.seteuid(65534)
        try:
            other = signing_identity(ProvenanceConfig())
        finally:
            if is_root:
                os.seteuid(0)
        file.chmod(0o600)
        assert signing_identity(ProvenanceConfig()).chain != other.chain
        assert file.read_bytes() == b"".join(made)


def test_processes_that_start_together_sign_with_one_certificate(home: Path) -> None:
    code = (
        "from palm_assets.provenance.certificate import *; print(signing_identity(ProvenanceConfig()).serial)"
    )
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(3)]
    assert len({process.communicate()[0] for process in running}) == 1


def test_without_a_place_to_keep_it_images_are_signed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder can be made here")
    monkeypatch.setenv("PALM_HOME", str(tmp_path / "file" / "home"))
    assert signing_identity(ProvenanceConfig()).self_made


def test_the_operators_certificate_signs(tmp_path: Path) -> None:
    config = written(tmp_path)
    file = signed(IMAGE, "image/png", "0123abcd", config)
    found = read_credentials(io.BytesIO(file), "image/png", config)
    assert found is not None
    assert (found.state, found.signer, found.model) == ("own", "Example Studio", "0123abcd")


def test_a_certificate_of_the_same_name_is_another(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    ours, theirs = written(tmp_path / "a"), written(tmp_path / "b")
    found = read_credentials(io.BytesIO(signed(IMAGE, "image/png", "x", theirs)), "image/png", ours)
    assert found is not None
    assert (found.state, found.signer) == ("valid", "Example Studio")


def test_files_that_cannot_be_used_are_refused_with_the_reason(tmp_path: Path) -> None:
    config = written(tmp_path)
    missing = ProvenanceConfig(certificate=tmp_path / "no.pem", key=config.key)
    with pytest.raises(ProvenanceError, match="No such file"):
        signing_identity(missing)
    (tmp_path / "other.pem").write_bytes(make_certificate()[1])
    with pytest.raises(ProvenanceError, match="not the one of the first certificate"):
        signing_identity(ProvenanceConfig(certificate=config.certificate, key=tmp_path / "other.pem"))
    (tmp_path / "chain.pem").write_text("nothing")
    with pytest.raises(ProvenanceError, match="PALM_SIGNING_CERTIFICATE"):
        signing_identity(config)


def test_a_key_on_an_unknown_curve_is_refused(tmp_path: Path) -> None:
    config = written(tmp_path)
    key = bytes.fromhex("302b020100301006072a8648ce3d020106052b8104000604143012020101040d") + bytes(13)
    lines = [b"-----BEGIN PRIVATE KEY-----", base64.b64encode(key), b"-----END PRIVATE KEY-----", b""]
    (tmp_path / "key.pem").write_bytes(b"\n".join(lines))
    with pytest.raises(ProvenanceError, match=r"Curve 1\.3\.132\.0\.6"):  # secp112r1
        signing_identity(config)


def test_an_expired_certificate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    monkeypatch.setattr("palm_assets.provenance.certificate.VALIDITY", timedelta(seconds=-1))
    with pytest.raises(ProvenanceError, match="has expired on"):
        signing_identity(written(tmp_path))


def signer_of(file: bytes, config: ProvenanceConfig) -> tuple[str, str]:
    found = read_credentials(io.BytesIO(file), "image/png", config)
    assert found is not None
    return found.state, found.signer


def test_a_renewed_certificate_signs_in_the_same_process(tmp_path: Path) -> None:
    config = written(tmp_path, "Before")
    before = signed(IMAGE, "image/png", "x", config)
    assert signer_of(before, config) == ("own", "Before")
    chain, key = make_certificate("After", "Example")
    (tmp_path / "chain.pem").write_bytes(chain)  # its key is not there yet
    assert signer_of(signed(IMAGE, "image/png", "x", config), config) == ("own", "Before")
    (tmp_path / "key.pem").write_bytes(key)
    assert signer_of(signed(IMAGE, "image/png", "x", config), config) == ("own", "After")
    assert signer_of(before, config) == ("valid", "Before")


def test_a_certificate_that_expires_meanwhile_signs_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime, timedelta

    config = written(tmp_path)
    signed(IMAGE, "image/png", "x", config)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Later:
            return cls.fromtimestamp(datetime.now(UTC).timestamp(), UTC) + timedelta(days=4000)

    monkeypatch.setattr("palm_assets.provenance.certificate.datetime", Later)
    with pytest.raises(ProvenanceError, match="has expired on"):
        signed(IMAGE, "image/png", "x", config)


def test_another_home_has_another_self_made_certificate(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = signed(IMAGE, "image/png", "x", ProvenanceConfig())
    (home / SELF_MADE_FILE).unlink()
    second = signed(IMAGE, "image/png", "x", ProvenanceConfig())
    assert signer_of(first, ProvenanceConfig())[0] == "valid"
    assert signer_of(second, ProvenanceConfig())[0] == "own"
    monkeypatch.setenv("PALM_HOME", str(tmp_path / "other"))
    assert signer_of(second, ProvenanceConfig())[0] == "valid"
