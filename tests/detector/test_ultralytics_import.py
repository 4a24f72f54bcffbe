"""Settings of Ultralytics where a program that uses Palms has imported it before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch


class _Bomb:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return Path.touch, (self.path,)


def test_no_pickle_is_run_where_ultralytics_was_imported_before(tmp_path: Path) -> None:
    start, proof = tmp_path / "mine.pt", tmp_path / "proof"
    torch.save({"model": _Bomb(proof)}, start)
    code = f"""
import ultralytics
from palm_assets.detector.config import DetectorConfig
from palm_assets.detector.training import _starting_point
from palm_assets.errors import DetectorError
try:
    _starting_point(DetectorConfig(start={str(start)!r}))
except DetectorError as error:
    print(error)
"""
    environment = {name: value for name, value in os.environ.items() if name != "ULTRALYTICS_SAFE_LOAD"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "Cannot start from" in result.stdout
    assert not proof.exists(), "the pickle was run"
