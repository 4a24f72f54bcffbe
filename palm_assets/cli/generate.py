"""`palms generate`: sample a model into a ZIP or a folder."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from palm_assets.cli.options import pass_store
from palm_assets.errors import PalmError

if TYPE_CHECKING:
    from palm_assets.store.artifacts import Store


@click.command()
@click.option(
    "--count", type=click.IntRange(1, 100_000), default=16, show_default=True, help="Number of palms."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**53), help="The same seed gives the same palms.  [default: random]"
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
@click.option("--min-score", type=click.FloatRange(0, 1), help="Keep only palms with this score or more.")
@click.option(
    "--model", "version", metavar="VERSION", help="Version of a model.  [default: the released model]"
)
@click.option("--starter", type=click.Path(path_type=Path), envvar="PALM_STARTER", hidden=True)
@pass_store
def generate(
    store: Store,
    count: int,
    seed: int | None,
    out: Path,
    truncation: float,
    min_score: float | None,
    version: str | None,
    starter: Path | None,
) -> None:
    """Generate palms into a ZIP or a folder.

    They are PNGs, with a manifest. The same model and seed give identical bytes, and a set is the
    beginning of every larger one. Until you release a model, the bundled starter model is used.

    \b
    Examples:
      palms generate --count 16 --seed 7 --out palms.zip
      palms generate --count 1000 --min-score 0.6 --out a_folder
    """
    from palm_assets.generation.archives import write_folder, write_zip
    from palm_assets.generation.generate import GenerationRequest, GenerationStats
    from palm_assets.generation.generate import generate as generated
    from palm_assets.progress import progress_bar
    from palm_assets.release.serving import model_at_hand, open_model
    from palm_assets.store.starter import STARTER

    request = GenerationRequest(
        count, secrets.randbelow(2**32) if seed is None else seed, truncation, min_score
    )
    is_starter = False
    if version:
        model, _ = open_model(store, version)
    else:
        model, is_starter = model_at_hand(store, starter or STARTER)
    if is_starter:
        click.echo(
            "No model of photographs is released yet: using the bundled starter model.",
            err=True,
        )
    stats = GenerationStats()
    with progress_bar("palms", "palm") as progress:
        images = generated(model, request, progress=progress, stats=stats)
        (write_zip if out.suffix.lower() == ".zip" else write_folder)(out, images, model)
    click.echo(
        f"{out}: {stats.kept} palms, seed {request.seed}, model {model.version}, "
        f"mean score {stats.mean_score:.3f} ({model.scoring})"
    )
    if min_score is not None:
        click.echo(
            f"{stats.rejected} of {stats.candidates} candidates scored below {min_score} and were left out",
            err=True,
        )
    if stats.outcome == "gave up":
        raise PalmError(
            f"Only {stats.kept} of {count} palms reached the score {min_score} "
            f"in {stats.candidates} candidates",
            where=out,
            hint="They were written; lower --min-score to get more.",
        )
