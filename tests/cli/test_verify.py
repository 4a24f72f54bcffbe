from __future__ import annotations

import json
from pathlib import Path

from palm_assets.generation.generate import GeneratedImage
from palm_assets.generation.png_metadata import encode_png, png_bytes
from tests.cli.conftest import Palms
from tests.provenance.test_watermark import rough


def test_verify_says_where_files_come_from(palms: Palms, tmp_path: Path) -> None:
    ours, other = tmp_path / "ours.png", tmp_path / "other.png"
    ours.write_bytes(png_bytes(GeneratedImage(3, 7, rough(), 0.5), "0123abcd"))
    other.write_bytes(encode_png(rough(seed=5)))
    result = palms("verify", str(ours), str(other))
    assert result.exit_code == 0, result.output
    assert "signed by this installation" in result.output
    assert "model 0123abcd, seed 7, image 4" in result.output
    assert "other.png: No trace" in result.output
    first, second = json.loads(palms("verify", "--json", str(ours), str(other)).stdout)
    assert (first["conclusion"], first["credentials"]["state"]) == ("own", "own")
    assert first["watermark"]["found"] is True
    assert second["conclusion"] == "nothing"


def test_a_file_that_is_no_image_is_exit_code_1_and_the_others_are_told(palms: Palms, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encode_png(rough(seed=5)))
    bad.write_text("hello")
    result = palms("verify", str(bad), str(good))
    assert result.exit_code == 1
    assert "good.png: No trace" in result.stdout
    assert "not an image" in result.stderr
