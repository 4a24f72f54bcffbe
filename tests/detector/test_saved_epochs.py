"""Whole checkpoints of a detector's training survive what Ultralytics does in place."""

from __future__ import annotations

from pathlib import Path

from palm_assets.detector.saved_epochs import RECORD_FILE, SavedEpochs


def test_without_a_whole_copy_the_training_starts_over(tmp_path: Path) -> None:
    weights = tmp_path / "run" / "weights"
    weights.mkdir(parents=True)
    saved = SavedEpochs(tmp_path)
    for epochs in (1, 2):
        for name in ("last.pt", "best.pt"):
            (weights / name).write_bytes(name.encode() * epochs)
        saved.save(epochs)
    assert len(list(tmp_path.glob("epoch-*.pt"))) == 2
    assert saved.restore() == 2
    next(tmp_path.glob("epoch-*.pt")).write_bytes(b"cut")
    assert saved.restore() == 0
    (tmp_path / RECORD_FILE).write_text("{", encoding="utf-8")
    assert saved.restore() == 0
