"""A folder of images is replaced as a whole, or stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from palm_assets.errors import DiskFullError, RequestError
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.archives import MANIFEST_NAME, write_folder
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
