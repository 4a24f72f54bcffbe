from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.work.source_archive import (
    EXCLUDED,
    MANIFEST_NAME,
    ROOT,
    SourceUnavailableError,
    offered_source,
    source_files,
    source_zip,
    write_manifest,
)

# What `make setup`, the page, the pipeline and the tests need besides Python modules.
NEEDED = {
    ".ci/run",
    ".env.example",
    ".gitignore",
    ".pre-commit-config.yaml",
    ".streamlit/config.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "app/main.py",
    "constraints.txt",
    "dagster_home/dagster.yaml",
    "pipelines/presets/sample.yaml",
    "pyproject.toml",
    "tests/e2e/install-servers",
    "workspace.yaml",
}


def git(folder: Path, *arguments: str) -> str:
    author = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    command = ["git", *author, "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small checkout, with files that must not leave it."""
    root = tmp_path / "checkout"
    files = {
        "app/main.py": "print()",
        "run": "#!/bin/sh",
        "palm_assets/starter/generator.safetensors": "weights",
        "palm_assets/starter_hands/generator.safetensors": "weights",
        ".gitignore": "ignored/\n",
        "ignored/model.pt": "x",
        ".streamlit/secrets.toml": "password",
        ".env": "TOKEN=1",
        "имя.md": "not ASCII",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    (root / "run").chmod(0o755)
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", "app", "run", "palm_assets", ".gitignore", "имя.md")
    return root


def test_the_archive_holds_what_git_tracks_without_weights(checkout: Path) -> None:
    archive = zipfile.ZipFile(io.BytesIO(source_zip(checkout)))
    tracked = {".gitignore", "app/main.py", "run", "имя.md"}
    assert set(archive.namelist()) == {f"palms/{name}" for name in {*tracked, MANIFEST_NAME}}
    modes = {info.filename: stat.S_IMODE(info.external_attr >> 16) for info in archive.infolist()}
    assert (modes["palms/run"], modes["palms/app/main.py"]) == (0o755, 0o644)
    assert source_zip(checkout) == source_zip(checkout)


def test_it_holds_the_working_tree_and_not_the_last_commit(checkout: Path) -> None:
    (checkout / "app/main.py").write_text("changed")
    (checkout / "run").unlink()
    archive = zipfile.ZipFile(io.BytesIO(source_zip(checkout)))
    assert archive.read("palms/app/main.py") == b"changed"
    assert "palms/run" not in archive.namelist()


def test_an_unpacked_archive_offers_the_same_archive(checkout: Path, tmp_path: Path) -> None:
    original = source_zip(checkout)
    zipfile.ZipFile(io.BytesIO(original)).extractall(tmp_path)
    copy = tmp_path / "palms"
    (copy / "run").chmod(0o755)  # `unzip` restores it, Python's zipfile does not
    (copy / "model.pt").write_text("made here")
    assert source_zip(copy) == original


def test_names_need_not_be_utf_8(checkout: Path, tmp_path: Path) -> None:
    (checkout / os.fsdecode(b"docs \xff.md")).write_text("strange")
    git(checkout, "add", ".")
    original = source_zip(checkout)
    with zipfile.ZipFile(io.BytesIO(original)) as archive:
        assert archive.read("palms/docs \\xff.md") == b"strange"
        assert "palms/имя.md" in archive.namelist()
        archive.extractall(tmp_path)
    (tmp_path / "palms" / "run").chmod(0o755)
    assert source_zip(tmp_path / "palms") == original
    write_manifest(checkout)  # for a copy without git, whose files keep their names
    shutil.rmtree(checkout / ".git")
    assert source_zip(checkout) == original


def test_names_are_found_where_python_takes_them_for_ascii(checkout: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from app.work.source_archive import source_zip\n"
        "Path(sys.argv[2]).write_bytes(source_zip(Path(sys.argv[1])))"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", code, str(checkout), str(tmp_path / "x.zip")]
    subprocess.run(command, check=True, env=environment)
    assert (tmp_path / "x.zip").read_bytes() == source_zip(checkout)


def test_a_repository_further_up_does_not_count(checkout: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    zipfile.ZipFile(io.BytesIO(source_zip(checkout))).extractall(tmp_path)
    assert "app/main.py" in source_files(tmp_path / "palms")


def test_without_git_and_manifest_there_is_no_archive(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")
    with pytest.raises(SourceUnavailableError):
        source_zip(checkout)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_the_archive_of_this_checkout_is_complete() -> None:
    names = {name.removeprefix("palms/") for name in zipfile.ZipFile(io.BytesIO(source_zip())).namelist()}
    tracked = {name for name in git(ROOT, "ls-files", "-z").split("\0") if name and (ROOT / name).is_file()}
    assert names == {name for name in tracked if not name.startswith(EXCLUDED)} | {MANIFEST_NAME}
    assert names >= NEEDED
    assert not [name for name in names if name.endswith((".safetensors", ".pt", ".pyc", "secrets.toml"))]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_visitors_share_one_archive() -> None:
    page = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
    assert not page.exception
    before = offered_source.cache_info()
    AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=60).run()
    after = offered_source.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 1)
    assert offered_source() is offered_source()


@pytest.mark.parametrize(
    "name",
    [
        ".streamlit/secrets.toml",
        "app/.streamlit/Secrets.toml",
        ".env",
        ".env.local",
        "deploy/tls/site.key",
        "kaggle.json",
    ],
)
@pytest.mark.parametrize("listed_by", ["git", "manifest"])
def test_a_secret_never_leaves_even_if_it_is_tracked(checkout: Path, name: str, listed_by: str) -> None:
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("password")
    git(checkout, "add", "--force", name)
    if listed_by == "manifest":
        tracked = git(checkout, "ls-files", "-z").split("\0")
        (checkout / MANIFEST_NAME).write_text("".join(f"{path}\n" for path in tracked if path))
        shutil.rmtree(checkout / ".git")
    assert name not in source_files(checkout)
    assert "app/main.py" in source_files(checkout)
    with zipfile.ZipFile(io.BytesIO(source_zip(checkout))) as archive:
        assert b"password" not in b"".join(archive.read(member) for member in archive.namelist())
