"""The artifact store: atomic, content-addressed, and robust against kills, damage and full disks."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import BaseModel
from safetensors.torch import save_file

from palm_assets.errors import (
    ArtifactCorruptError,
    ArtifactError,
    ArtifactMissingError,
    DatasetError,
    DiskFullError,
)
from palm_assets.store.artifacts import MANIFEST, Artifact, Store
from palm_assets.store.atomic import write_atomically
from palm_assets.store.identity import version_of
from tests.helpers import below, mounted_tmpfs, remount


class ExampleConfig(BaseModel):
    size: int = 64
    rate: float = 0.5


class Builder:
    """Writes two files, and counts its calls."""

    def __init__(self, content: bytes = b"palm" * 1000) -> None:
        self.content = content
        self.calls = 0

    def __call__(self, folder: Path) -> dict[str, object]:
        self.calls += 1
        (folder / "data.bin").write_bytes(self.content)
        (folder / "below").mkdir()
        (folder / "below" / "note.txt").write_text("a note")
        return {"count": 3, "score": 0.25}


def make(
    store: Store,
    build: Callable[[Path], dict[str, object]] | None = None,
    *,
    config: ExampleConfig | None = None,
    inputs: dict[str, str] | None = None,
    code: str = "1",
) -> Artifact:
    return store.make(
        "crops",
        build or Builder(),
        inputs=inputs or {"a": "1"},
        config=config or ExampleConfig(),
        code_version=code,
    )


# Versions and reuse


def test_the_same_inputs_give_the_same_version_and_are_never_built_twice(store: Store) -> None:
    build = Builder()
    first = make(store, build)
    before = below(store.home)
    second = make(store, build)
    assert build.calls == 1
    assert (first.reused, second.reused) == (False, True)
    assert second.version == first.version
    assert second.manifest == first.manifest
    assert below(store.home) == before


def test_the_facts_of_a_new_artifact_equal_those_of_the_reused_one(store: Store) -> None:
    def build(folder: Path) -> dict[str, object]:
        return {"shape": (1, 2), "skin": {1: "fair"}, "score": float("nan"), "where": Path("a")}

    assert make(store, build).facts == make(store, build).facts


@pytest.mark.parametrize(
    "changed",
    [{"config": ExampleConfig(rate=0.25)}, {"inputs": {"a": "2"}}, {"inputs": {"b": "1"}}, {"code": "2"}],
)
def test_a_change_of_config_input_or_code_version_makes_another_version(
    store: Store, changed: dict[str, object]
) -> None:
    build = Builder()
    first, second = make(store, build), make(store, build, **changed)  # type: ignore[arg-type]
    assert build.calls == 2
    assert first.version != second.version
    assert store.versions("crops") == [first.version, second.version]


def test_the_version_does_not_depend_on_the_order_of_the_inputs() -> None:
    one = version_of("crops", {"a": "1", "b": "2"}, ExampleConfig(), "1")
    assert one == version_of("crops", {"b": "2", "a": "1"}, ExampleConfig(), "1")
    assert one != version_of("models", {"a": "1", "b": "2"}, ExampleConfig(), "1")


def test_a_never_published_artifact_is_missing(store: Store) -> None:
    assert store.find("crops", "abc") is None
    with pytest.raises(ArtifactMissingError):
        store.open("crops", "abc")
    with pytest.raises(ArtifactMissingError):
        store.current("cropped_palms")
    assert store.released() is None


# Atomic publishing


@pytest.mark.parametrize("error", [DatasetError("no", hint="Repair it."), KeyError("x"), KeyboardInterrupt()])
def test_a_build_that_raises_publishes_nothing(store: Store, error: BaseException) -> None:
    def build(folder: Path) -> dict[str, object]:
        (folder / "half").write_text("half")
        raise error

    with pytest.raises(type(error)) as raised:
        make(store, build)
    assert raised.value is error
    assert store.versions("crops") == []
    assert not list(store.home.rglob("half"))
    assert make(store).reused is False


BUILD_AND_LOG = """
import sys, time
from pathlib import Path
from pydantic import BaseModel
from palm_assets.store.artifacts import Store

class ExampleConfig(BaseModel):
    size: int = 64
    rate: float = 0.5

home, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def build(folder):
    (folder / "data.bin").write_bytes(b"half")
    with log.open("a") as stream:
        stream.write("building\\n")
    time.sleep(seconds)
    return {}

made = Store(home).make("crops", build, inputs={"a": "1"}, config=ExampleConfig(), code_version="1")
with log.open("a") as stream:
    stream.write(f"reused={made.reused}\\n")
"""


def _process(store: Store, log: Path, seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", BUILD_AND_LOG, str(store.home), str(log), str(seconds)])


def _wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + 30
    while not (log.is_file() and text in log.read_text()):
        assert time.monotonic() < deadline, f"{text!r} was never logged"
        time.sleep(0.02)


def test_a_killed_build_leaves_nothing_visible_and_the_next_one_cleans_up(
    store: Store, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    process = _process(store, log, seconds=60)
    _wait_for(log, "building")
    process.send_signal(signal.SIGKILL)
    process.wait()

    version = version_of("crops", {"a": "1"}, ExampleConfig(), "1")
    assert store.find("crops", version) is None
    assert store.versions("crops") == []
    assert len(list(store.home.glob("work/draft-*"))) == 1

    assert make(store).version == version
    assert store.open("crops", version).facts["count"] == 3
    assert not list(store.home.glob("work/draft-*"))


def test_two_processes_that_make_the_same_artifact_build_it_once(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [_process(store, log, seconds=1.5) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert sorted(log.read_text().split()) == ["building", "reused=False", "reused=True"]


# Damage


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing file": lambda folder: (folder / "data.bin").unlink(),
    "file turned folder": lambda folder: ((folder / "data.bin").unlink(), (folder / "data.bin").mkdir()),
    "cut file": lambda folder: os.truncate(folder / "data.bin", 100),
    "flipped byte": lambda folder: _flip(folder / "data.bin"),
    "flipped byte in a subfolder": lambda folder: _flip(folder / "below" / "note.txt"),
    "missing manifest": lambda folder: (folder / MANIFEST).unlink(),
    "empty manifest": lambda folder: (folder / MANIFEST).write_text(""),
    "cut manifest": lambda folder: os.truncate(folder / MANIFEST, 100),
    "binary manifest": lambda folder: (folder / MANIFEST).write_bytes(b"\xff\x00\xfe"),
    "future schema": lambda folder: _edit(folder / MANIFEST, schema_version=2),
    "unknown field": lambda folder: _edit(folder / MANIFEST, surprise=1),
    "manifest of another version": lambda folder: _edit(folder / MANIFEST, version="0123456789ab"),
    "manifest of another kind": lambda folder: _edit(folder / MANIFEST, kind="models"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_artifact_is_refused_by_open_and_remade_by_make(
    store: Store, damage: Callable[[Path], object]
) -> None:
    artifact = make(store)
    store.set_current("cropped_palms", artifact)
    damage(artifact.folder)

    with pytest.raises(ArtifactCorruptError) as refused:
        store.open("crops", artifact.version)
    assert str(artifact.folder) in str(refused.value)
    with pytest.raises(ArtifactCorruptError):
        store.current("cropped_palms")

    build = Builder()
    remade = make(store, build)
    assert build.calls == 1
    assert remade.version == artifact.version
    assert store.open("crops", artifact.version).manifest.files == artifact.manifest.files
    assert len(list(store.home.glob(f"work/damaged-crops-{artifact.version}-*/{artifact.version}"))) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"kind": "crops"}',
        b'{"kind": 1, "version": 2}',
        b'{"kind": "../x", "version": ""}',
    ],
)
def test_a_damaged_pointer_is_refused_and_replaced_by_the_next_materialization(
    store: Store, content: bytes
) -> None:
    artifact = make(store)
    store.set_current("cropped_palms", artifact)
    (store.home / "current" / "cropped_palms.json").write_bytes(content)
    with pytest.raises(ArtifactCorruptError):
        store.current("cropped_palms")
    store.set_current("cropped_palms", artifact)
    assert store.current("cropped_palms").version == artifact.version


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"schema_version": 2}'])
def test_a_damaged_release_is_refused_and_replaced_by_the_next_release(store: Store, content: bytes) -> None:
    artifact = make(store)
    store.release(artifact, artifact)
    (store.home / "released.json").write_bytes(content)
    with pytest.raises(ArtifactCorruptError):
        store.released()
    assert store.release(artifact, artifact) == store.released()


# Pointers


def test_setting_the_same_pointer_again_writes_nothing(store: Store) -> None:
    artifact = make(store)
    store.set_current("cropped_palms", artifact)
    first = store.release(artifact, artifact)
    before = below(store.home)
    store.set_current("cropped_palms", artifact)
    assert store.release(artifact, artifact) == first == store.released()
    assert below(store.home) == before


def test_pointers_move_to_another_artifact(store: Store) -> None:
    old, new = make(store), make(store, code="2")
    for artifact in (old, new):
        store.set_current("cropped_palms", artifact)
        store.release(artifact, old)
        assert store.current("cropped_palms").version == artifact.version
        released = store.released()
        assert released is not None
        assert (released.model, released.reference) == (artifact.version, old.version)


def test_a_file_is_replaced_atomically_without_leftovers(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    write_atomically(path, b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    for content in (b"the file is missing", b"the file is there"):
        write_atomically(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "file").read_bytes() == content
    (tmp_path / "second").symlink_to("link")
    write_atomically(tmp_path / "second", b"through two links")
    assert (tmp_path / "there" / "file").read_bytes() == b"through two links"
    assert [p.name for p in (tmp_path / "there").iterdir()] == ["file"]


# A full or read-only disk

BIG = np.random.default_rng(0).integers(0, 256, 3_000_000, dtype=np.uint8)
WRITERS: dict[str, Callable[[Path], object]] = {
    "open": lambda folder: (folder / "x").write_bytes(BIG.tobytes()),
    "numpy": lambda folder: np.save(folder / "x.npy", BIG),
    "safetensors": lambda folder: save_file({"x": torch.from_numpy(BIG)}, folder / "x.safetensors"),
    "torch": lambda folder: torch.save({"x": torch.from_numpy(BIG)}, folder / "x.pt"),
    "pillow": lambda folder: Image.fromarray(BIG.reshape(1000, 1000, 3)).save(folder / "x.png"),
}


def test_on_a_full_disk_every_writer_fails_with_a_typed_error_and_publishes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "small" / "home")
    with mounted_tmpfs(tmp_path / "small", "size=1m"):
        for name, write in WRITERS.items():

            def build(folder: Path, write: Callable[[Path], object] = write) -> dict[str, object]:
                write(folder)
                return {}

            with pytest.raises(DiskFullError) as refused:
                make(store, build)
            assert "nothing was published" in str(refused.value), name
            assert store.versions("crops") == []
            assert not list(store.home.glob("work/draft-*"))
        del refused  # its traceback keeps a failed writer's file open, whose space is then not free
        gc.collect()
        assert make(store).reused is False  # the retry is clean


def test_another_error_is_not_reported_as_a_full_disk(store: Store) -> None:
    def build(folder: Path) -> dict[str, object]:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        make(store, build)


def test_a_read_only_store_serves_its_artifacts_and_refuses_writes(tmp_path: Path) -> None:
    store = Store(tmp_path / "locked" / "home")
    with mounted_tmpfs(tmp_path / "locked", "size=1m"):
        made = make(store)
        store.set_current("cropped_palms", made)
        store.release(made, made)
        remount(tmp_path / "locked", "ro")

        assert make(store).reused
        store.set_current("cropped_palms", made)
        store.release(made, made)
        assert store.current("cropped_palms").version == made.version
        for attempt in (
            lambda: make(store, code="2"),
            lambda: make(Store(tmp_path / "locked" / "other")),
            lambda: store.set_current("other", made),
            lambda: store.work_folder("crops", "new"),
        ):
            with pytest.raises(ArtifactError, match="cannot be written"):
                attempt()


def test_a_file_in_the_place_of_the_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(ArtifactError, match="cannot be written"):
        make(Store(tmp_path / "home"))
