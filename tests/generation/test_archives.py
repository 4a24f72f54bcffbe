"""A folder of images is replaced as a whole, or stays."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from palm_assets.errors import DiskFullError, RequestError
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.archives import MANIFEST_NAME, write_folder, write_zip
from palm_assets.generation.generate import GeneratedImage, GenerationRequest, generate


def images(model: PalmModel, count: int, seed: int) -> list[GeneratedImage]:
    return list(generate(model, GenerationRequest(count=count, seed=seed)))


@pytest.mark.parametrize("fails", ["old", "new"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_rename_that_fails_leaves_the_earlier_folder(
    model: PalmModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, number: int
) -> None:
    target = tmp_path / "palms"
    write_folder(target, images(model, 2, 1), model)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    assert MANIFEST_NAME in before
    rename, failed = os.rename, []

    def fail_once(source: Path, to: Path) -> None:
        if not failed and fails in (Path(source).name, Path(to).name):
            failed.append(source)
            raise OSError(number, os.strerror(number), str(source))
        rename(source, to)

    monkeypatch.setattr(os, "rename", fail_once)
    with pytest.raises((RequestError, DiskFullError)):
        write_folder(target, images(model, 2, 9), model)
    assert failed
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".palms")] == []
    assert write_folder(target, images(model, 3, 9), model) == 3


def permissions(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_umask_is_obeyed(tmp_path: Path, umask: int) -> None:
    """In a process of its own, which the umask belongs to."""
    code = (
        "import sys; from pathlib import Path\n"
        "from palm_assets.gan.sampler import load_model\n"
        "from palm_assets.generation.archives import write_folder, write_zip\n"
        "from palm_assets.generation.generate import GenerationRequest, generate\n"
        "from palm_assets.store.atomic import write_atomically\n"
        "from tests.models import publish_model; from palm_assets.store.artifacts import Store\n"
        "out = Path(sys.argv[1]); made = publish_model(Store(out / 'other'))\n"
        "model = load_model(made.folder, made.version)\n"
        "write_zip(out / 'x.zip', generate(model, GenerationRequest(1, 1)), model)\n"
        "write_folder(out / 'x', generate(model, GenerationRequest(1, 1)), model)\n"
        "write_atomically(out / 'file', b'x')\n"
        "(out / 'version').write_text(str(made.folder))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, umask=umask)
    files = [tmp_path / "x.zip", tmp_path / "file", *(tmp_path / "x").iterdir()]
    assert {permissions(path) for path in files} == {0o666 & ~umask}
    artifact = Path((tmp_path / "version").read_text())
    assert {permissions(tmp_path / "x"), permissions(artifact)} == {0o777 & ~umask}
    assert {permissions(path) for path in artifact.iterdir()} == {0o666 & ~umask}


def test_a_link_is_written_through(model: PalmModel, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here.zip").symlink_to(tmp_path / "there" / "x.zip")
    (tmp_path / "here").symlink_to(tmp_path / "there" / "set")
    for _ in range(2):  # to a file that is not there yet, and to one that is
        write_zip(tmp_path / "here.zip", generate(model, GenerationRequest(2, 1)), model)
        write_folder(tmp_path / "here", generate(model, GenerationRequest(2, 1)), model)
    assert (tmp_path / "here.zip").is_symlink()
    assert (tmp_path / "here").is_symlink()
    assert (tmp_path / "there" / "x.zip").is_file()
    assert len(list((tmp_path / "there" / "set").glob("*.png"))) == 2


def test_a_pipe_is_not_replaced(model: PalmModel, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.zip")
    (tmp_path / "link.zip").symlink_to(tmp_path / "x.zip")
    for path in (tmp_path / "x.zip", tmp_path / "link.zip"):
        for write in (write_zip, write_folder):
            with pytest.raises(RequestError):
                write(path, generate(model, GenerationRequest(1, 1)), model)
        assert path.is_fifo()


def test_a_replaced_zip_keeps_its_permissions(model: PalmModel, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"")
    path.chmod(0o600)
    write_zip(path, generate(model, GenerationRequest(1, 1)), model)
    assert permissions(path) == 0o600


def test_the_current_folder_stays_the_folder_that_the_shell_is_in(
    model: PalmModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    inode = here.stat().st_ino
    write_folder(Path(), generate(model, GenerationRequest(3, 1)), model)
    write_folder(Path(), generate(model, GenerationRequest(2, 1)), model)
    assert here.stat().st_ino == inode
    assert sorted(path.name for path in here.iterdir()) == [
        "manifest.csv", "palm_000001.png", "palm_000002.png"
    ]  # fmt: skip
