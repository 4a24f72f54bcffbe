"""Messages of a trainer reach Dagster complete."""

import queue
import threading
from pathlib import Path

import pytest

from pipelines.training import complete_lines


def test_a_line_is_passed_on_once_it_is_complete(tmp_path: Path) -> None:
    path, ended, read = tmp_path / "messages", threading.Event(), queue.Queue[str]()
    path.touch()

    def follow() -> None:
        for line in complete_lines(path, ended.is_set):
            read.put(line)

    def written(part: str) -> None:
        with path.open("a") as file:
            file.write(part)

    reader = threading.Thread(target=follow)
    reader.start()
    written("first\nsec")
    assert read.get(timeout=10) == "first\n"
    written("o")
    with pytest.raises(queue.Empty):
        read.get(timeout=0.1)
    written("nd\n")
    assert read.get(timeout=10) == "second\n"
    written("last\nincomplete")
    ended.set()
    reader.join(10)
    assert not reader.is_alive()
    assert read.get(timeout=1) == "last\n"
    assert read.empty()
