"""What a comparison means, in words: never a distance without the one that real palms reach."""

from __future__ import annotations

import math

from app.i18n.words import NO_BREAK, Words
from app.ui.hand_labels import labels_text
from app.work.comparison import Comparison
from palm_assets.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    ExtractorMismatchError,
    PalmError,
    WeightsUnavailableError,
)

FEW_IMAGES = 50
CHANCE = 3.0  # standard deviations between random sets of real palms that chance explains
UNKNOWN = "—"


def failure_text(error: PalmError | None) -> str:
    """Key of the text that says why a comparison failed."""
    match error:
        case ArtifactMissingError():
            return "compare_no_reference"
        case ArtifactCorruptError():
            return "compare_broken_reference"
        case WeightsUnavailableError():
            return "compare_no_weights"
        case ExtractorMismatchError():
            return "compare_other_weights"
        case _:
            return "compare_failed"


def metric_name(words: Words, label: str) -> str:
    """The library's name of a distance in the language of the page, with a capital letter."""
    for name, key in (
        ("Fréchet distance", "frechet_distance"),
        ("kernel distance", "kernel_distance"),
        (", weights ", "with_weights"),
    ):
        label = label.replace(name, words(key))
    return label[:1].upper() + label[1:]


def metric_rows(words: Words, comparison: Comparison) -> list[tuple[str, str, str]]:
    """Rows of name, value of the set, and value of real palms."""
    metrics, floor = comparison.metrics, comparison.metrics.floor
    return [
        (
            metric_name(words, metrics.label),
            words.significant(metrics.frechet),
            words.spread(floor.frechet, floor.frechet_sd) if floor else UNKNOWN,
        ),
        (
            metric_name(words, metrics.kid_label),
            words.spread(metrics.kid, metrics.kid_sd),
            words.spread(floor.kid, floor.kid_sd) if floor else UNKNOWN,
        ),
        (words("image_count"), str(metrics.n), str(floor.n) if floor else UNKNOWN),
    ]


def summary(words: Words, comparison: Comparison) -> str:
    """The distance of the set beside that of real palms, and what the difference means."""
    metrics, floor = comparison.metrics, comparison.metrics.floor
    value = words.significant(metrics.frechet)
    if floor is None:
        return words("compare_alone", value=value, n=metrics.n)
    real = words.spread(floor.frechet, floor.frechet_sd).split(f"{NO_BREAK}±")[0]  # as in the table
    values = {"real": real, "value": value, "n": metrics.n}
    values["whose"] = words(f"compare_whose_{'new' if comparison.people_are_new else 'held_out'}")
    if floor.n != metrics.n:
        text = words("compare_values_other_count", real_n=floor.n, **values)
        return text + " " + words("compare_smaller_set" if metrics.n < floor.n else "compare_larger_set")
    text = words("compare_values", **values)
    if floor.frechet_sd > 0:
        deviations = (metrics.frechet - floor.frechet) / floor.frechet_sd
        if deviations > CHANCE:
            key = "farther"
        elif metrics.kid - floor.kid > CHANCE * math.hypot(metrics.kid_sd, floor.kid_sd):
            key = "farther_by_kernel"  # small sets of one kind of hand differ more clearly by this distance
        else:
            key = "nearer" if deviations < -CHANCE else "alike"
        text += " " + words(f"compare_{key}")
    return text


def notes(words: Words, comparison: Comparison, *, of_synthetic_model: bool = False) -> list[str]:
    """What limits the metrics, and what they were computed with."""
    metrics, request, texts = comparison.metrics, comparison.request, []
    if comparison.is_synthetic:
        texts.append(words("compare_synthetic_reference"))
    if of_synthetic_model:
        texts.append(words("compare_synthetic_model"))
    if request.min_score is not None:
        min_score = words.decimal(request.min_score)
        texts.append(words("compare_filtered", min_score=min_score, n=comparison.rejected))
    if request.truncation < 1:
        texts.append(words("compare_truncated", truncation=words.decimal(request.truncation)))
    if request.labels.known:
        texts.append(words("compare_one_kind", kinds=labels_text(words, request.labels)))
    if metrics.n < FEW_IMAGES:
        texts.append(words("compare_few"))
    if (
        metrics.floor is not None
        and metrics.floor.n == metrics.n
        and metrics.n not in comparison.floor_counts
    ):
        low = max(n for n in comparison.floor_counts if n < metrics.n)
        high = min(n for n in comparison.floor_counts if n > metrics.n)
        texts.append(words("compare_interpolated", low=low, high=high))
    if metrics.label != "FID":
        texts.append(words("not_fid"))
    texts.append(words("compare_kid"))
    reference_n = metrics.frechet_result.reference_n
    texts.append(
        words("compare_against", n=reference_n, extractor=metrics.extractor, version=comparison.reference)
    )
    return texts
