from __future__ import annotations

import gc
import io
import zipfile

from app.work.palm_sets import Entry, PalmSet, SetCache
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.generate import GenerationRequest, GenerationStats


def small_set(model: PalmModel, size: int) -> PalmSet:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("palm_000001.png", b"x" * size)
    return PalmSet(
        GenerationRequest(1, 0),
        model,
        [Entry(1, 0, "palm_000001.png", 0.5)],
        GenerationStats(),
        stream.getvalue(),
    )


def test_all_sets_fit_into_the_bound_and_the_least_recently_used_is_evicted(
    model: PalmModel,
) -> None:
    cache = SetCache(max_bytes=3500)
    first, second, third = (small_set(model, 1000) for _ in range(3))
    cache.add(first)
    cache.add(second)
    cache.add(third)
    assert first.archive is not None  # now the most recently used
    fourth = small_set(model, 1000)
    cache.add(fourth)
    assert [palms.archive is None for palms in (first, second, third, fourth)] == [False, True, False, False]
    assert cache.size <= 3500


def test_a_set_that_nobody_holds_leaves_the_cache(model: PalmModel) -> None:
    cache = SetCache()
    palms = small_set(model, 1000)
    cache.add(palms)
    assert cache.size > 1000
    del palms
    gc.collect()
    assert cache.size == 0
