"""Tests as a user without rights to everything: root reads what nobody else can."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder of a user who is not root; while the test runs, this process is that user."""
    folder = Path(tempfile.mkdtemp(prefix="palms-nobody-"))
    if os.geteuid() != 0:
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
        return
    os.chown(folder, 65534, 65534)
    os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(0)
        shutil.rmtree(folder, ignore_errors=True)
