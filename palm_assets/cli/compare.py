"""`palms compare`: two models side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palm_assets.cli.options import json_option, pass_store, print_result, save_picture, tells_replacement

if TYPE_CHECKING:
    from palm_assets.gan.sampler import PalmModel
    from palm_assets.quality.reference import Reference
    from palm_assets.release.comparison import ModelSummary
    from palm_assets.store.artifacts import Store


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--seed", type=click.IntRange(0, 2**53), default=7, show_default=True, help="Seed of the first image."
)
@click.option(
    "--count", type=click.IntRange(1, 64), default=8, show_default=True, help="Images of each model."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("compare.png"),
    show_default=True,
    help="The picture: A's images above B's.",
)
@click.option("--measure", is_flag=True, help="Evaluate both now, against one reference.")
@click.option(
    "--reference",
    metavar="VERSION",
    help='Reference for --measure, "starter" or "hands".  [default: the release\'s, else the starter\'s]',
)
@json_option("the comparison")
@pass_store
def compare(
    store: Store,
    a: str,
    b: str,
    seed: int,
    count: int,
    out: Path,
    measure: bool,
    reference: str | None,
    as_json: bool,
) -> None:
    """Compare models A and B.

    Prints the settings that differ and the metrics of both, and writes a picture of the same seeds. A and B
    are versions, folders of models, `starter`, or `hands`.

    \b
    Examples:
      palms compare starter 0123456789ab
      palms compare 0123456789ab a_packed_model --measure --json
    """
    from palm_assets.errors import RequestError
    from palm_assets.release.comparison import compare_models, side_by_side, summarize
    from palm_assets.release.model_loader import load_model
    from palm_assets.store.os_errors import typed_write_errors

    models = [load_model(name, store) for name in (a, b)]
    summaries = [summarize(store, model) for model in models]
    if measure:
        summaries = _measured(store, models, summaries, reference)
    comparison = compare_models(*summaries)
    picture = side_by_side(*models, seed=seed, count=count)
    with (
        tells_replacement(out) as replaced,
        typed_write_errors(out, RequestError, "Cannot write", hint="Name another file.", only_writes=True),
    ):
        save_picture(picture, out, "PNG")
    text = f"{comparison.describe()}\n{out}: {count} seeds from {seed}, A above B"
    values = {**comparison.to_json(), "picture": str(out), "replaced": replaced, "seed": seed, "count": count}
    print_result(values, text, as_json=as_json)


def _measured(
    store: Store, models: list[PalmModel], summaries: list[ModelSummary], reference: str | None
) -> list[ModelSummary]:
    """The summaries with metrics of fresh samples, all against one reference."""
    from palm_assets.evaluation.references import find_reference
    from palm_assets.quality.reference_files import load_reference

    found = find_reference(store, reference)
    loaded = load_reference(found.artifact.folder)
    measured = []
    for model, summary in zip(models, summaries, strict=True):
        metrics = {**_metrics(model, loaded), "reference": found.name}
        measured.append(replace(summary, metrics=metrics))
    return measured


def _metrics(model: PalmModel, reference: Reference) -> dict[str, Any]:
    from palm_assets.evaluation.evaluation_files import PER_IMAGE_KEYS
    from palm_assets.evaluation.model_evaluation import default_count, fresh_samples
    from palm_assets.progress import progress_bar
    from palm_assets.quality.set_metrics import evaluate_set

    total = default_count(reference)
    with progress_bar(f"images of {model.version} evaluated", "image") as progress:
        images = fresh_samples(model, total)
        metrics = evaluate_set(images, reference, progress=lambda done, _: progress(done, total))
    return {key: value for key, value in metrics.to_json().items() if key not in PER_IMAGE_KEYS}
