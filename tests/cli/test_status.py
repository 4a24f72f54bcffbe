"""`palms status`, run on small real models."""

from __future__ import annotations

import json

from palm_assets.detector.config import DetectorConfig
from palm_assets.gan.config import GanConfig
from palm_assets.gan.training_state import save_state
from palm_assets.stages.unfinished_training import describe_training
from palm_assets.store.artifacts import Store
from tests.cli.conftest import Palms, Publish, Release


def test_status_of_an_empty_home_says_what_to_do(palms: Palms) -> None:
    result = palms("status")
    assert result.exit_code == 0
    assert "make pipeline" in result.output


def test_status_shows_versions_facts_and_what_is_released(
    palms: Palms, store: Store, publish_model: Publish, release: Release
) -> None:
    old, new = publish_model(1), publish_model(2, fid=12.34567)
    store.set_current("dcgan_checkpoint", new)
    release(new)
    lines = palms("status").output.splitlines()
    new_line = next(number for number, line in enumerate(lines) if new.version in line)
    assert "[current] [released]" in lines[new_line]
    assert "from seed 2" in lines[new_line + 1]
    assert "fid 12.3" in lines[new_line + 2]
    assert "[" not in next(line for line in lines if old.version in line)


def test_status_json_holds_every_fact(palms: Palms, publish_model: Publish, release: Release) -> None:
    artifact = publish_model(1, crops={"train": 3})
    release(artifact)
    rows = json.loads(palms("status", "--json").output)
    row = next(row for row in rows if row["version"] == artifact.version)
    assert row["facts"]["crops"] == {"train": 3}
    assert row["marks"] == ["released"]
    assert row["inputs"] == {"seed": "1"}


def test_status_shows_a_training_that_was_interrupted_and_one_that_runs(palms: Palms, store: Store) -> None:
    config = GanConfig(kimg=80)
    work = store.work_folder("models", "0123456789ab")
    describe_training(work, {"crops": "ba9876543210"}, config)
    assert "paused" not in palms("status").output  # nothing is saved yet
    save_state(work / "state.safetensors", {}, {"images_seen": 45_000})
    lines = palms("status").output.splitlines()
    assert lines[0].startswith("models      0123456789ab")
    assert lines[0].endswith("[paused]")
    assert lines[1].split() == ["from", "crops", "ba9876543210"]
    assert lines[2].strip() == ("saved at 45 of 80 kimg; the same run, started again, goes on from there")
    with store.lock("models-0123456789ab"):
        running = palms("status").output
        assert "[running]" in running
        assert "saved at 45 of 80 kimg\n" in running
    (row,) = json.loads(palms("status", "--json").stdout)
    assert row["facts"] == {"done": 45.0, "total": 80.0, "unit": "kimg"}
    assert row["marks"] == ["paused"]
    (work / "state.safetensors").write_bytes(b"damaged")
    assert "saved at 0 of 80 kimg" in palms("status").output


def test_status_shows_a_paused_training_of_the_detector(palms: Palms, store: Store) -> None:
    work = store.work_folder("detector", "0123456789ab")
    describe_training(work, {"boxes": "ba9876543210"}, DetectorConfig(epochs=9))
    (work / "saved.json").write_text('{"epochs": 4, "last": "a", "best": "b"}')
    assert "saved at 4 of 9 epochs" in palms("status").output


def test_status_names_what_is_damaged_and_fails(palms: Palms, publish_model: Publish) -> None:
    artifact = publish_model(1)
    path = artifact.folder / "generator.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert palms("status").exit_code == 0  # the size is right
    result = palms("status", "--verify")
    assert result.exit_code == 1
    assert artifact.version in result.stderr
    path.unlink()
    assert palms("status").exit_code == 1
