"""`palms generate`: sample a model into a ZIP or a folder."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from palm_assets.cli.options import (
    json_option,
    label_options,
    model_option,
    pass_store,
    print_result,
    tells_replacement,
)
from palm_assets.errors import PalmError, RequestError

if TYPE_CHECKING:
    from palm_assets.generation.generate import GenerationRequest, GenerationStats
    from palm_assets.store.artifacts import Store


@click.command()
@click.option(
    "--count", type=click.IntRange(1, 100_000), default=16, show_default=True, help="Number of palms."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**53),
    help="The same seed gives the same palms. Seeds closer to each other than --count share palms: palm 2 of "
    "seed 7 is palm 1 of seed 8.  [default: random]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("palms.zip"),
    show_default=True,
    help="A ZIP if the name ends in .zip, else a folder.",
)
@click.option(
    "--truncation",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Scale of the latent vectors. 1: full variety; smaller: more typical, less varied.",
)
@label_options(about=" (conditional models only, such as `hands`).")
@click.option("--min-score", type=click.FloatRange(0, 1), help="Keep only palms with this score or more.")
@model_option()
@json_option("what was written")
@pass_store
def generate(
    store: Store,
    count: int,
    seed: int | None,
    out: Path,
    truncation: float,
    min_score: float | None,
    aspect: str,
    side: str,
    skin: str,
    name: str | None,
    as_json: bool,
) -> None:
    """Generate palms into a ZIP or a folder.

    Writes PNG files and a manifest. The same model and seed give identical pixels; a larger --count only adds
    images. Until you release a model trained on photographs, the bundled starter model is used. An earlier
    ZIP or folder of palms with the same name is replaced.

    \b
    Examples:
      palms generate --count 16 --seed 7 --out palms.zip
      palms generate --count 1000 --min-score 0.6 --out a_folder
      palms generate --model hands --aspect palm --side left --skin dark
    """
    from palm_assets.gan.hand_labels import HandLabels, subject_of
    from palm_assets.generation.archives import write_folder, write_zip
    from palm_assets.generation.generate import GenerationRequest, GenerationStats
    from palm_assets.generation.generate import generate as generated
    from palm_assets.progress import progress_bar
    from palm_assets.release.model_choices import learned_from, origin_of_folder
    from palm_assets.release.model_loader import load_model
    from palm_assets.store.starter import STARTER_PREFIX

    request = GenerationRequest(
        count,
        secrets.randbelow(2**32) if seed is None else seed,
        truncation,
        min_score,
        HandLabels(aspect, side, skin),
    )
    model = load_model(name, store)
    origin, subject = origin_of_folder(store, model.folder), subject_of(model.labels, request.labels)
    if name is None and model.version.startswith(STARTER_PREFIX):
        click.echo("No model of photographs is released yet: using the bundled starter model.", err=True)
    stats = GenerationStats()
    try:
        with tells_replacement(out) as replaced, progress_bar(f"{subject}s", subject) as progress:
            images = generated(model, request, progress=progress, stats=stats)
            (write_zip if out.suffix.lower() == ".zip" else write_folder)(out, images, model)
    except RequestError:
        if stats.outcome != "gave up" or stats.kept:
            raise
        raise _too_few(request, stats, subject, out) from None
    values = {
        "out": str(out),
        "replaced": replaced,
        "palms": stats.kept,
        "requested": count,
        "seed": request.seed,
        "truncation": truncation,
        "min_score": min_score,
        "candidates": stats.candidates,
        "model": model.version,
        "origin": origin,
        "mean_score": stats.mean_score,
        "scoring": model.scoring,
    }
    print_result(
        values,
        f"{out}: {stats.kept} {subject}{'s' * (stats.kept != 1)}, seed {request.seed}, model {model.version} "
        f"({learned_from(origin)}), mean score {stats.mean_score:.2f} ({model.scoring})",
        as_json=as_json,
    )
    if min_score is not None:
        click.echo(
            f"{stats.rejected} of {stats.candidates} candidates scored below {min_score:g} and were left out",
            err=True,
        )
    if stats.outcome == "gave up":
        raise _too_few(request, stats, subject, out)


def _too_few(request: GenerationRequest, stats: GenerationStats, subject: str, out: Path) -> PalmError:
    found = f"{stats.kept} of {request.count} {subject}s" if stats.kept else f"None of the {subject}s"
    written = "Those were written; lower" if stats.kept else "Nothing was written: lower"
    return PalmError(
        f"{'Only ' * bool(stats.kept)}{found} reached the score {request.min_score:g} "
        f"in {stats.candidates} candidates",
        where=out,
        hint=f"{written} --min-score to get more.",
    )
