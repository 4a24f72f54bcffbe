"""`palms status`, run on small real models."""

from __future__ import annotations

import json

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
    assert "fid 12.35" in lines[new_line + 2]
    assert "[" not in next(line for line in lines if old.version in line)


def test_status_json_holds_every_fact(palms: Palms, publish_model: Publish, release: Release) -> None:
    artifact = publish_model(1, people={"train": 3})
    release(artifact)
    rows = json.loads(palms("status", "--json").output)
    row = next(row for row in rows if row["version"] == artifact.version)
    assert row["facts"]["people"] == {"train": 3}
    assert row["marks"] == ["released"]
    assert row["inputs"] == {"seed": "1"}


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
