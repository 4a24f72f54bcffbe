from __future__ import annotations

import gc
import os
import zipfile
from pathlib import Path

import pytest

from app.work.palm_sets import Entry, EvictedError, PalmSet, SetCache
from app.work.set_files import SetFile
from palm_assets.errors import DiskFullError
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.generate import GenerationRequest, GenerationStats

ENTRY = Entry(1, 0, "palm_000001.png", 0.5)


def small_set(model: PalmModel, size: int, file: SetFile | None = None) -> PalmSet:
    file = file or SetFile()
    with zipfile.ZipFile(file.stream, "w") as archive:
        archive.writestr(ENTRY.file_name, os.urandom(size))
    file.stream.flush()
    return PalmSet(GenerationRequest(1, 0), model, [ENTRY], GenerationStats(), file)


def test_all_sets_fit_into_the_bound_and_the_least_recently_used_is_evicted(
    model: PalmModel,
) -> None:
    cache = SetCache(max_bytes=3500, visitor_bytes=10_000)
    first, second, third = (small_set(model, 1000) for _ in range(3))
    cache.add(first)
    cache.add(second)
    cache.add(third)
    assert first.archive  # now the most recently used
    fourth = small_set(model, 1000)
    cache.add(fourth)
    assert [palms.available for palms in (first, second, third, fourth)] == [True, False, True, True]
    with pytest.raises(EvictedError):
        second.archive  # noqa: B018
    assert cache.size <= 3500


def test_a_set_that_nobody_holds_leaves_the_cache(model: PalmModel) -> None:
    cache = SetCache()
    palms = small_set(model, 1000)
    cache.add(palms)
    assert cache.size > 1000
    del palms
    gc.collect()
    assert cache.size == 0


def test_a_visitor_has_a_share_of_the_space(model: PalmModel) -> None:
    cache = SetCache(max_bytes=100_000, visitor_bytes=2500)
    other = small_set(model, 1000, cache.new_file("other"))
    cache.add(other)
    mine = [small_set(model, 1000, cache.new_file("me")) for _ in range(3)]
    for palms in mine:
        cache.add(palms)
    assert [palms.available for palms in (other, *mine)] == [True, False, True, True]


def test_a_set_that_is_being_generated_counts_and_makes_others_go(model: PalmModel) -> None:
    cache = SetCache(max_bytes=5000, visitor_bytes=5000)
    finished = small_set(model, 2000, cache.new_file("a"))
    cache.add(finished)
    growing = cache.new_file("b")
    growing.stream.write(bytes(2000))
    growing.stream.flush()
    cache.make_room(growing)
    assert finished.available
    assert cache.size > 4000
    growing.stream.write(bytes(2500))
    growing.stream.flush()
    cache.make_room(growing)
    assert not finished.available
    growing.stream.write(bytes(1000))
    growing.stream.flush()
    with pytest.raises(DiskFullError):
        cache.make_room(growing)


def test_sets_take_disk_space_without_a_name_and_no_memory(
    model: PalmModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sets").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "sets"))
    palms = small_set(model, 10_000)
    assert palms.size > 10_000
    assert list((tmp_path / "sets").iterdir()) == []
    assert palms.archive == palms.archive


def test_a_file_that_was_closed_meanwhile_holds_nothing(model: PalmModel) -> None:
    palms = small_set(model, 1000)
    palms.file.close()  # as another thread does between the question whether it is there, and reading it
    assert palms.available
    with pytest.raises(EvictedError):
        palms.archive  # noqa: B018
    assert (palms.file.read(), palms.file.size) == (b"", 0)


def test_a_reader_outlives_the_eviction_of_its_set(model: PalmModel) -> None:
    palms = small_set(model, 1000)
    png = palms.png(ENTRY)
    zipped = palms.file.open_zip()
    palms.evict()
    assert zipped.read(ENTRY.file_name) == png
    assert (palms.available, palms.size) == (False, 0)
    with pytest.raises(EvictedError):
        palms.png(ENTRY)
    with pytest.raises(EvictedError):
        palms.archive  # noqa: B018
    with pytest.raises(EvictedError):
        palms.file.open_zip()


def test_readers_of_one_file_do_not_move_each_other(model: PalmModel) -> None:
    palms = small_set(model, 200_000)
    with palms.file.open_zip() as one, palms.file.open_zip() as two:
        first, second = one.open(ENTRY.file_name), two.open(ENTRY.file_name)
        parts = [(first.read(7000), second.read(7000)) for _ in range(5)]
    assert all(ours == theirs for ours, theirs in parts)
