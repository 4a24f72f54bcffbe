"""`palms export`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Palms, Publish


def test_export_onnx_writes_a_checked_file(palms: Palms, publish_model: Publish, tmp_path: Path) -> None:
    version = publish_model().version
    (tmp_path / "palms.onnx").symlink_to(tmp_path / "there.onnx")  # is written through
    result = palms("export", "onnx", tmp_path / "palms.onnx", "--model", version)
    assert result.exit_code == 0, result.output
    assert version in result.output
    assert (tmp_path / "palms.onnx").is_symlink()
    assert (tmp_path / "there.onnx").stat().st_size > 1000


def test_export_onnx_does_not_take_the_place_of_a_pipe(
    palms: Palms, publish_model: Publish, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = palms("export", "onnx", tmp_path / "pipe", "--model", publish_model().version)
    assert result.exit_code == 1
    assert "is a device, a pipe or a socket" in result.stderr
    assert (tmp_path / "pipe").is_fifo()


def test_an_unknown_model_is_one_line_on_standard_error(palms: Palms, tmp_path: Path) -> None:
    result = palms("export", "onnx", tmp_path / "palms.onnx", "--model", "0123456789ab")
    assert result.exit_code == 1
    assert result.stderr.startswith("palms: No model named 0123456789ab")
    assert not (tmp_path / "palms.onnx").exists()


def test_export_hub_writes_a_folder_that_generates(
    palms: Palms, publish_model: Publish, tmp_path: Path
) -> None:
    result = palms("export", "hub", tmp_path / "hub", "--model", publish_model().version)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "hub" / "README.md").read_text().startswith("---\n")
    assert palms("export", "onnx", tmp_path / "palms.onnx", "--model", tmp_path / "hub").exit_code == 0
    again = palms("export", "hub", tmp_path / "hub", "--model", publish_model().version)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_push_refuses_what_is_no_repository(palms: Palms, publish_model: Publish) -> None:
    result = palms("push", "palms", "--model", publish_model().version)
    assert result.exit_code == 1
    assert "OWNER/NAME" in result.stderr


def test_export_web_reports_what_is_missing(
    palms: Palms, publish_model: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network: the page itself is tested in a browser."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    result = palms("export", "web", tmp_path / "site", "--model", publish_model().version)
    assert result.exit_code == 1
    assert "onnxruntime-web cannot be downloaded" in result.stderr
    assert not (tmp_path / "site").exists()
