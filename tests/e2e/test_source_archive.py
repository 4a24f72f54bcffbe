"""The source that the page offers is enough to set the program up, and to run the page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from app.work.source_archive import source_zip
from tests.e2e.harness import EN, downloaded, run_server, visit


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    (folder / "source.zip").write_bytes(source_zip())
    with zipfile.ZipFile(folder / "source.zip") as archive:
        for info in archive.infolist():
            Path(archive.extract(info, folder)).chmod(info.external_attr >> 16 & 0o777)  # as `unzip` does
    return folder / "palms"


def test_make_setup_finds_all_that_it_needs(unpacked: Path) -> None:
    make = shutil.which("make")
    assert make is not None
    for target in ("setup", "app", "pipeline", "lint", "test"):
        run = subprocess.run([make, "-n", target], cwd=unpacked, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
    for script in ("tests/e2e/install-servers", ".ci/run"):
        assert os.access(unpacked / script, os.X_OK)


@pytest.mark.slow
def test_the_package_can_be_built(unpacked: Path, tmp_path: Path) -> None:
    """What pip asks of `pyproject.toml` before it installs anything, offline."""
    code = "from setuptools.build_meta import prepare_metadata_for_build_editable as prepare; prepare('.')"
    copy = shutil.copytree(unpacked, tmp_path / "palms")
    run = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_the_page_starts_from_it_without_starter_and_offers_it_again(
    browser: Browser, unpacked: Path, tmp_path: Path
) -> None:
    own = {"PYTHONPATH": str(unpacked), "PALM_STARTER": str(unpacked / "palm_assets" / "starter")}
    places = [sys.executable, "-c", "import app, palm_assets; print(app.__file__, palm_assets.__file__)"]
    found = subprocess.run(
        places, cwd=tmp_path, env={**os.environ, **own}, capture_output=True, text=True, check=True
    )
    assert all(place.startswith(str(unpacked)) for place in found.stdout.split())
    with (
        run_server(tmp_path / "home", root=unpacked, **own) as server,
        visit(browser, f"{server.address}/?lang=en") as page,
    ):
        expect(page.get_by_text(EN("no_model").split("`")[0].strip())).to_be_visible()
        expect(page.get_by_role("button", name=EN("generate"), exact=True)).to_be_visible()
        _, again = downloaded(page, EN("source"))
    assert again == (unpacked.parent / "source.zip").read_bytes()
