from __future__ import annotations

import gc
import io
import time
import zipfile

from app.jobs import Job, JobQueue
from app.sets import Entry, PalmSet, Preview, Shelf, arranged, making, page_count, page_of
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.archives import zip_into
from palm_assets.generation.generate import Request, Tally, generate


def made(model: PalmModel, request: Request, shelf: Shelf | None = None) -> PalmSet:
    preview = Preview()
    job = JobQueue().submit("a", making(model, request, shelf or Shelf(), preview))
    until = time.monotonic() + 30
    while not job.over and time.monotonic() < until:
        time.sleep(0.005)
    assert job.result is not None
    return job.result


def test_the_zip_of_the_page_is_the_one_that_palms_generate_writes(model: PalmModel) -> None:
    expected = io.BytesIO()
    zip_into(expected, generate(model, Request(20, 7)), model)
    assert made(model, Request(20, 7)).archive == expected.getvalue()


def test_a_single_png_is_the_one_in_the_zip(model: PalmModel) -> None:
    palms = made(model, Request(20, 7))
    entry = palms.entries[5]
    with zipfile.ZipFile(io.BytesIO(palms.archive or b"")) as archive:
        assert palms.png(entry) == archive.read("palm_000006.png")
    assert (entry.number, entry.index) == (6, 5)


def test_a_cancelled_set_is_a_whole_archive_of_what_is_done(model: PalmModel) -> None:
    preview, shelf = Preview(), Shelf()
    job: Job[PalmSet] = Job("a", making(model, Request(1000, 7), shelf, preview), time.monotonic)
    job._take_turn(0.0001)
    job._cancel.set()
    job._take_turn(10)
    assert job.state == "cancelled"
    assert job.result is not None
    names = zipfile.ZipFile(io.BytesIO(job.result.archive or b"")).namelist()
    assert len(names) == len(job.result.entries) + 1
    assert 0 < len(job.result.entries) < 1000
    assert job.result.tally.ended == "cancelled"


def test_a_preview_shows_the_latest_few(model: PalmModel) -> None:
    preview = Preview()
    steps = making(model, Request(20, 7), Shelf(), preview)(Job("a", lambda job: iter(()), time.monotonic))  # type: ignore[arg-type,return-value]
    next(steps)
    assert len(preview.pngs) == 8
    assert all(png.startswith(b"\x89PNG") for png in preview.pngs)


def test_a_minimum_score_that_nobody_reaches_gives_an_empty_set_that_says_so(model: PalmModel) -> None:
    palms = made(model, Request(2, 7, min_score=1.0))
    assert palms.entries == ()
    assert palms.tally.ended == "given up"


def small_set(model: PalmModel, size: int) -> PalmSet:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("palm_000001.png", b"x" * size)
    return PalmSet(Request(1, 0), model, [Entry(1, 0, "palm_000001.png", 0.5)], Tally(), stream.getvalue())


def test_all_visitors_together_hold_no_more_than_the_bound_and_the_longest_unseen_goes(
    model: PalmModel,
) -> None:
    shelf = Shelf(most_bytes=3500)
    first, second, third = (small_set(model, 1000) for _ in range(3))
    shelf.put(first)
    shelf.put(second)
    shelf.put(third)
    assert first.archive is not None  # looked at last
    fourth = small_set(model, 1000)
    shelf.put(fourth)
    assert [palms.archive is None for palms in (first, second, third, fourth)] == [False, True, False, False]
    assert shelf.size <= 3500


def test_a_set_that_nobody_holds_any_more_is_forgotten(model: PalmModel) -> None:
    shelf = Shelf()
    palms = small_set(model, 1000)
    shelf.put(palms)
    assert shelf.size > 1000
    del palms
    gc.collect()
    assert shelf.size == 0


def entries(*scores: float) -> list[Entry]:
    return [Entry(i + 1, i, f"{i}", score) for i, score in enumerate(scores)]


def test_sorting_by_score_puts_the_best_first_and_keeps_equals_in_order() -> None:
    some = entries(0.2, 0.9, 0.2, 0.5)
    assert [entry.number for entry in arranged(some, "score")] == [2, 4, 1, 3]
    assert [entry.number for entry in arranged(arranged(some, "score"), "number")] == [1, 2, 3, 4]


def test_pages_cover_every_palm_once() -> None:
    some = entries(*[0.5] * 50)
    pages = [page_of(some, page, 24) for page in range(1, page_count(50, 24) + 1)]
    assert [len(page) for page in pages] == [24, 24, 2]
    assert [entry for page in pages for entry in page] == some


def test_a_page_that_is_not_there_becomes_the_nearest() -> None:
    some = entries(*[0.5] * 30)
    assert page_of(some, 0, 24) == page_of(some, 1, 24)
    assert page_of(some, 99, 24) == page_of(some, 2, 24)
    assert page_count(0, 24) == 1
