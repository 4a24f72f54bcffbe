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
    help="Version of a reference, or \"starter\".  [default: the release's, else the starter's]",
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
    found = find_reference(store, reference)
    loaded = load_reference(found.artifact.folder)
    total = count or default_count(loaded)
    with progress_bar("palms evaluated", "palm") as progress:
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
    help="A folder or ZIP of images to compare with, instead of a reference.",
)
@click.option(
    "--extractor",
    type=click.Choice(get_args(ExtractorName)),
    default="auto",
    show_default=True,
    help="Feature extractor for --against; a reference has its own.",
)
@json_option("the metrics")
@pass_store
def fid(
    store: Store,
    images: Path,
    reference: str | None,
    against: Path | None,
    extractor: ExtractorName,
    as_json: bool,
) -> None:
    """Compare any IMAGES with real palms.

    IMAGES is a folder or ZIP of images of any size and mode. The distance is called FID only if the
    canonical Inception network measured it.

    \b
    Examples:
      palms fid palms.zip
      palms fid one_folder --against another_folder --extractor inception-v3
    """
    if reference and against:
        raise click.UsageError("Give --reference or --against, not both.")
    from palm_assets.evaluation.set_evaluation import compare_sets, evaluate
    from palm_assets.progress import progress_bar
    from palm_assets.quality.image_sets import open_images

    with progress_bar("images evaluated", "image") as progress:
        if against is None:
            metrics = evaluate(images, reference, store=store, progress=progress)
        else:
            pair = compare_sets(open_images(images), open_images(against), extractor, progress=progress)
    if against is None:
        _show(metrics, as_json, {"reference": metrics.reference})
    else:
        click.echo(json.dumps(pair.to_json(), indent=2) if as_json else pair.describe())


def _show(metrics: SetMetrics, as_json: bool, versions: dict[str, str]) -> None:
    if as_json:
        values = {k: v for k, v in metrics.to_json().items() if k not in ("nearest", "distance")}
        click.echo(json.dumps({**versions, **values}, indent=2))
    else:
        click.echo("\n".join(f"{role} {version}" for role, version in versions.items()))
        click.echo(metrics.describe())
