"""`palms evaluate` and `palms fid`: scores of a model, and of any set of images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from palm_assets.cli.options import store_of, with_home
from palm_assets.errors import ArtifactMissingError
from palm_assets.quality.extractors.identity import ExtractorName

if TYPE_CHECKING:
    from palm_assets.progress import Progress
    from palm_assets.quality.frechet import FrechetResult
    from palm_assets.quality.image_sets import ImageSet
    from palm_assets.quality.kid import KidResult
    from palm_assets.quality.set_metrics import SetMetrics
    from palm_assets.store.artifacts import Artifact, Store


@click.command()
@click.option("--model", "version", metavar="VERSION", help="A model of the store; else the released one.")
@click.option(
    "--reference",
    metavar="VERSION",
    help="Statistics of the store; else those that the release was judged by.",
)
@click.option(
    "--count",
    type=click.IntRange(2, 100_000),
    help="Palms to score; else as many as the real floor was measured with.",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@with_home
@click.pass_context
def evaluate(
    ctx: click.Context,
    version: str | None,
    reference: str | None,
    count: int | None,
    as_json: bool,
    own_home: Path | None,
) -> None:
    """Score a model's palms against real ones, beside what real people score.

    \b
    Examples:
      palms evaluate
      palms evaluate --model 0123456789ab --count 1000 --json
    """
    store = store_of(ctx, own_home)
    statistics = _reference(store, reference)
    from palm_assets.evaluation.model_evaluation import fresh_palms, usual_count
    from palm_assets.progress import progress_bar
    from palm_assets.release.serving import open_model, released_model

    model = open_model(store, version)[0] if version else released_model(store)
    from palm_assets.quality.reference import evaluate_set
    from palm_assets.quality.reference_files import load_reference

    loaded = load_reference(statistics.folder)
    wanted = count or usual_count(loaded)
    with progress_bar("palms scored", "palm") as progress:
        images = fresh_palms(model, wanted)
        score = evaluate_set(images, loaded, progress=lambda done, _: progress(done, wanted))
    _tell(score, as_json, {"model": model.version, "reference": statistics.version})


@click.command()
@click.argument("images", type=click.Path(exists=True, path_type=Path))
@click.option("--reference", metavar="VERSION", help="Statistics of the store; else the newest ones.")
@click.option(
    "--against",
    type=click.Path(exists=True, path_type=Path),
    help="A folder or ZIP of images to compare with, instead of statistics of the store.",
)
@click.option(
    "--extractor",
    type=click.Choice(get_args(ExtractorName)),
    default="auto",
    show_default=True,
    help="Network that compares with --against; statistics of the store name their own.",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@with_home
@click.pass_context
def fid(
    ctx: click.Context,
    images: Path,
    reference: str | None,
    against: Path | None,
    extractor: ExtractorName,
    as_json: bool,
    own_home: Path | None,
) -> None:
    """Score any IMAGES, a folder or a ZIP: all sizes and modes.

    The result is called FID only when the canonical Inception network measured it.

    \b
    Examples:
      palms fid palms.zip
      palms fid one_folder --against another_folder --extractor inception-v3
    """
    if reference and against:
        raise click.UsageError("--reference and --against are two ways to say the same: give one.")
    from palm_assets.progress import progress_bar
    from palm_assets.quality.image_sets import min_score_of, open_images

    candidates = open_images(images)
    if against is not None:
        with progress_bar("images looked at", "image") as progress:
            pair = _compared(candidates, open_images(against), extractor, progress)
        _tell_pair(*pair, min_score_of(candidates), as_json)
        return
    statistics = _reference(store_of(ctx, own_home), reference)
    from palm_assets.quality.reference import evaluate_set
    from palm_assets.quality.reference_files import load_reference

    with progress_bar("images scored", "image") as progress:
        score = evaluate_set(candidates, load_reference(statistics.folder), progress=progress)
    score = replace(score, min_score=min_score_of(candidates))
    _tell(score, as_json, {"reference": statistics.version})


def _reference(store: Store, version: str | None) -> Artifact:
    """The statistics asked for, else those of the release, else the newest."""
    if version is not None:
        return store.open("reference", version)
    release = store.released()
    try:
        return store.open("reference", release.reference) if release else store.current("fid_reference")
    except ArtifactMissingError as error:
        raise ArtifactMissingError(
            "There are no statistics of real palms yet",
            where=store.home,
            hint="Run `make pipeline`, materialize fid_reference, or compare two folders with `palms fid`.",
        ) from error


def _compared(
    ours: ImageSet, theirs: ImageSet, wanted: ExtractorName, progress: Progress
) -> tuple[FrechetResult, KidResult]:
    from palm_assets.errors import QualityError
    from palm_assets.quality.features import extract, load_extractor
    from palm_assets.quality.frechet import frechet_distance
    from palm_assets.quality.kid import kernel_distance
    from palm_assets.quality.statistics import FeatureStatistics

    for images in (ours, theirs):
        if len(images) < 2:
            raise QualityError("A set needs at least 2 images", where=images.path, hint="Add images.")
    extractor = load_extractor(wanted)
    total = len(ours) + len(theirs)
    sample = extract(extractor, ours, progress=lambda done, _: progress(done, total))
    real = extract(extractor, theirs, progress=lambda done, _: progress(len(ours) + done, total))
    name, digest = extractor.name, extractor.digest
    statistics = FeatureStatistics.from_features(real, extractor=name, digest=digest)
    return frechet_distance(sample, statistics), kernel_distance(sample, real, extractor=name, digest=digest)


def _tell(score: SetMetrics, as_json: bool, versions: dict[str, str]) -> None:
    if as_json:
        figures = {key: value for key, value in score.to_json().items() if key not in ("nearest", "distance")}
        click.echo(json.dumps({**versions, **figures}, indent=2))
    else:
        for role, version in versions.items():
            click.echo(f"{role} {version}")
        click.echo(score.describe())


def _tell_pair(frechet: FrechetResult, kernel: KidResult, min_score: float | None, as_json: bool) -> None:
    if as_json:
        figures = {"frechet": frechet.to_json(), "kid": kernel.to_json(), "min_score": min_score}
        click.echo(json.dumps(figures, indent=2))
    else:
        click.echo(
            f"{frechet.n} images against {frechet.reference_n}, {frechet.extractor} [{frechet.digest}]"
        )
        click.echo(f"{frechet.label}: {frechet.value:.4g}")
        click.echo(f"{kernel.label}: {kernel.value:.3g} ± {kernel.sd:.2g}")
        if min_score is not None:
            from palm_assets.quality.set_metrics import filtered

            click.echo(filtered(min_score))
