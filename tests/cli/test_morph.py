"""`palms morph`."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from PIL import Image

from palm_assets.cli.morph import ENDINGS
from palm_assets.generation.animation import ENCODERS
from tests.cli.conftest import Palms, Publish


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_morph_is_written_in_the_format_of_its_name(
    palms: Palms, publish_model: Publish, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"morph{ending}"
    out.symlink_to(tmp_path / "there")  # is written through
    version = publish_model().version
    options = ("--seed", "7", "--to", "3", "--frames", "5", "--model", version, "--out", out)
    result = palms("morph", *options)
    assert result.exit_code == 0, result.output
    assert out.is_symlink()
    if ending == ".mp4":
        assert sum(1 for _ in av.open(str(out)).decode(video=0)) == 8
    else:
        with Image.open(out) as picture:
            assert picture.n_frames == 8


def test_another_ending_is_misuse(palms: Palms, tmp_path: Path) -> None:
    result = palms("morph", "--seed", "7", "--out", tmp_path / "morph.avi")
    assert result.exit_code == 2
    assert ".mp4" in result.stderr
    assert set(ENDINGS) == set(ENCODERS)
