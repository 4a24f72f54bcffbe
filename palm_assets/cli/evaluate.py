"""`palms evaluate` and `palms fid`: metrics of a model, and of any set of images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from palm_assets.cli.options import json_option, model_option, pass_store
from palm_assets.quality.extractors.registry import ExtractorName

if TYPE_CHECKING:
    from palm_assets.quality.set_metrics import SetMetrics
    from palm_assets.store.artifacts import Store

_reference_option = click.option(
    "--reference",
    metavar="VERSION",
    help='Version of a reference, "starter" or "hands".  [default: the one that comes with the model that '
    "made the images, else the release's, else the starter's]",
)


@click.command()
@model_option()
@_reference_option
@click.option(
    "--count",
    type=click.IntRange(2, 100_000),
    help="Number of palms to generate.  [default: the largest set of the reference's real floor]",
)
@json_option("the metrics")
@pass_store
def evaluate(store: Store, name: str | None, reference: str | None, count: int | None, as_json: bool) -> None:
    """Compare a model's palms with real palms.

    Each metric is printed beside that of held-out real palms.

    \b
    Examples:
      palms evaluate
      palms evaluate --model 0123456789ab --count 1000 --json
    """
    from palm_assets.evaluation.model_evaluation import default_count, fresh_samples
    from palm_assets.evaluation.references import find_reference
    from palm_assets.progress import progress_bar
    from palm_assets.quality.reference_files import load_reference
    from palm_assets.quality.set_metrics import evaluate_set
    from palm_assets.release.model_loader import load_model

    model = load_model(name, store)
    found = find_reference(store, reference, model=model.version)
    loaded = load_reference(found.artifact.folder)
    total = count or default_count(loaded)
    with progress_bar("images evaluated", "image") as progress:
        images = fresh_samples(model, total)
        metrics = evaluate_set(images, loaded, progress=lambda done, _: progress(done, total))
    named = replace(metrics, reference=found.name, reference_is_synthetic=found.origin == "synthetic")
    _show(named, as_json, {"model": model.version, "reference": found.name})


@click.command()
@click.argument("images", type=click.Path(exists=True, path_type=Path))
@_reference_option
@click.option(
    "--against",
    type=click.Path(exists=True, path_type=Path),
    help="What to compare with instead of a reference: images, or statistics in pytorch-fid's format (.npz).",
)
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.npz",
    help="Write the statistics of IMAGES in pytorch-fid's format; without --against nothing is compared.",
)
@click.option(
    "--max-megapixels",
    type=click.FloatRange(0, min_open=True),
    default=64,
    show_default=True,
    help="Refuse images with more million pixels than this.",
)
@click.option(
    "--extractor",
    type=click.Choice(get_args(ExtractorName)),
    default="auto",
    show_default=True,
    help="Feature extractor for --against and --save; a reference or statistics have their own.",
)
@json_option("the metrics")
@pass_store
def fid(
    store: Store,
    images: Path,
    reference: str | None,
    against: Path | None,
    save: Path | None,
    max_megapixels: float,
    extractor: ExtractorName,
    as_json: bool,
) -> None:
    """Compare any IMAGES with real palms.

    IMAGES is a folder or ZIP of images of any size and mode, or an array of uint8 images in an .npy or .npz
    file: (N, H, W, 3), (N, 3, H, W) or (N, H, W). The distance is called FID only if the
    canonical Inception network measured it.

    \b
    Examples:
      palms fid palms.zip
      palms fid one_folder --against another_folder --extractor inception-v3
      palms fid samples.npz --against fid_stats.npz
    """
    if reference and (against or save):
        raise click.UsageError("Give --reference, or --against and --save, not both.")
    from palm_assets.evaluation.set_evaluation import (
        compare_sets,
        compare_with_statistics,
        evaluate,
        statistics_of,
    )
    from palm_assets.progress import progress_bar
    from palm_assets.quality.image_sets import open_images
    from palm_assets.quality.statistics_files import is_statistics, write_statistics

    found = open_images(images, max_megapixels=max_megapixels)
    metrics = pair = None
    with progress_bar("images evaluated", "image") as progress:
        if save is not None:
            statistics = statistics_of(found, extractor, progress=progress)
            write_statistics(statistics, save)
            click.echo(f"{save}: statistics of {statistics.n} images, {statistics.extractor}", err=as_json)
        if against is not None and is_statistics(against):
            pair = compare_with_statistics(found, against, extractor, progress=progress)
        elif against is not None:
            others = open_images(against, max_megapixels=max_megapixels)
            pair = compare_sets(found, others, extractor, progress=progress)
        elif save is None:
            metrics = evaluate(found, reference, store=store, progress=progress)
    if metrics is not None:
        _show(metrics, as_json, {"reference": metrics.reference})
    if pair is not None:
        click.echo(json.dumps(pair.to_json(), indent=2) if as_json else pair.describe())


def _show(metrics: SetMetrics, as_json: bool, versions: dict[str, str]) -> None:
    if as_json:
        values = {k: v for k, v in metrics.to_json().items() if k not in ("nearest", "distance")}
        click.echo(json.dumps({**versions, **values}, indent=2))
    else:
        click.echo("\n".join(f"{role} {version}" for role, version in versions.items()))
        click.echo(metrics.describe())
