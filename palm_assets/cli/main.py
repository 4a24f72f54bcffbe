"""`palms`: the small command line.

Exit codes: 0 done, 1 something is wrong with the data or the machine (one line on standard error says what
and what to do), 2 the command was misused, 130 interrupted. What is heavy is imported inside the commands,
so that `--help` answers at once.
"""

from __future__ import annotations

import atexit
import gc
import json
import secrets
from pathlib import Path
from typing import Any

import click

from palm_assets import __version__
from palm_assets.cli.evaluate import evaluate, fid
from palm_assets.cli.options import store_of, with_home
from palm_assets.cli.releases import pack, release, releases
from palm_assets.errors import PalmError
from palm_assets.runtime import keep_freed_memory


class _Palms(click.Group):
    """Turns our errors into one line on standard error and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PalmError as error:
            click.echo("palms: " + " ".join(str(error).split()), err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("palms: interrupted, nothing was written", err=True)
            ctx.exit(130)


@click.group(cls=_Palms, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="palms")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="PALM_HOME",
    show_envvar=True,
    default=Path("palm_home"),
    show_default=True,
    help="Folder of the artifact store.",
)
@click.pass_context
def main(ctx: click.Context, home: Path) -> None:
    """Pictures of palms (of hands) that never existed.

    \b
    Example:
      palms generate --count 16 --seed 7 --out palms.zip
    """
    ctx.obj = home
    keep_freed_memory()
    atexit.register(gc.freeze)  # else Python looks through all of torch as it ends: a third of a second


@main.command()
@click.option("--count", type=click.IntRange(1, 100_000), default=16, show_default=True, help="Palms wanted.")
@click.option(
    "--seed", type=click.IntRange(0, 2**53), help="The same seed gives the same palms; else random."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("palms.zip"),
    show_default=True,
    help="A ZIP if it ends in .zip, else a folder.",
)
@click.option(
    "--truncation",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="1: the whole variety; towards 0: usual and alike.",
)
@click.option("--min-score", type=click.FloatRange(0, 1), help="Keep only palms with at least this score.")
@click.option(
    "--model", "version", metavar="VERSION", help="A model of the store, instead of the released one."
)
@click.option("--starter", type=click.Path(path_type=Path), envvar="PALM_STARTER", hidden=True)
@with_home
@click.pass_context
def generate(
    ctx: click.Context,
    count: int,
    seed: int | None,
    out: Path,
    truncation: float,
    min_score: float | None,
    version: str | None,
    starter: Path | None,
    own_home: Path | None,
) -> None:
    """Make palms: PNGs and a manifest, in a ZIP or a folder.

    The same seed and model give identical bytes, and a set is the beginning of every larger one. Until a
    model is released, the small starter model that comes with the program draws.

    \b
    Examples:
      palms generate --count 16 --seed 7 --out palms.zip
      palms generate --count 1000 --min-score 0.6 --out a_folder
    """
    store = store_of(ctx, own_home)
    from palm_assets.generation.archives import write_folder, write_zip
    from palm_assets.generation.generate import Request, Tally, generate
    from palm_assets.progress import progress_bar
    from palm_assets.release.serving import STARTER, model_at_hand, open_model

    request = Request(count, secrets.randbelow(2**32) if seed is None else seed, truncation, min_score)
    is_starter = False
    if version:
        model, _ = open_model(store, version)
    else:
        model, is_starter = model_at_hand(store, starter or STARTER)
    if is_starter:
        click.echo(
            "Nothing is released yet, so the starter model that comes with the program draws; "
            "`make pipeline` makes one of your own.",
            err=True,
        )
    tally = Tally()
    with progress_bar("palms", "palm") as progress:
        palms = generate(model, request, progress=progress, tally=tally)
        (write_zip if out.suffix.lower() == ".zip" else write_folder)(out, palms, model)
    quality = f"mean score {tally.mean_score:.3f} ({model.scoring})"
    click.echo(f"{out}: {tally.kept} palms, seed {request.seed}, model {model.version}, {quality}")
    if min_score is not None:
        click.echo(
            f"{tally.rejected} of {tally.tried} were below the score {min_score} and left out", err=True
        )
    if tally.ended == "given up":
        raise PalmError(
            f"Only {tally.kept} of {count} palms reached the score {min_score} in {tally.tried} attempts",
            where=out,
            hint="They were written; lower --min-score to have more.",
        )


@main.command()
@click.option(
    "--json", "as_json", is_flag=True, help="For scripts: a list of artifacts with all their facts."
)
@click.option("--verify", is_flag=True, help="Hash every file, instead of comparing sizes.")
@with_home
@click.pass_context
def status(ctx: click.Context, as_json: bool, verify: bool, own_home: Path | None) -> None:
    """What is made, from what, and how good; exit code 1 if something is damaged.

    \b
    Examples:
      palms status
      palms status --json | jq '.[] | select(.marks | index("released"))'
    """
    from dataclasses import asdict

    from palm_assets.store.status import as_table, survey

    store = store_of(ctx, own_home)
    rows = survey(store, verify=verify)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
    elif rows:
        click.echo(as_table(rows))
    else:
        click.echo(f"Nothing is made yet in {store.home}. Run `make pipeline`.")
    damaged = [row for row in rows if row.problem]
    if damaged:
        raise PalmError(
            f"{len(damaged)} damaged: " + ", ".join(f"{row.kind} {row.version}" for row in damaged),
            where=store.home,
            hint="Materialize their assets again: they are remade.",
        )


@main.command("import-published")
@click.argument("generator", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("discriminator", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--release", is_flag=True, help="Let the page serve it; needs the statistics of real palms.")
@with_home
@click.pass_context
def import_published_weights(
    ctx: click.Context,
    generator: Path | None,
    discriminator: Path | None,
    release: bool,
    own_home: Path | None,
) -> None:
    """Import the published GENERATOR.pt and DISCRIMINATOR.pt as a model of the store.

    Without files they are fetched from Kaggle. They must be plain dicts of tensors: anything else in them is
    refused without being run.

    \b
    Examples:
      palms import-published
      palms import-published generator.pt discriminator.pt
    """
    from palm_assets.stages.import_published import fetch_published, import_into

    if generator is None:
        generator, discriminator = fetch_published()
    elif discriminator is None:
        raise click.UsageError("Give both files, or none to fetch them from Kaggle.")
    store = store_of(ctx, own_home)
    artifact = import_into(store, generator, discriminator)
    click.echo(
        f"model {artifact.version}{' (was there already)' if artifact.reused else ''}: {artifact.folder}"
    )
    if release:
        reference = store.current("fid_reference")
        store.release(artifact, reference, by="hand")
        click.echo(
            f"released, beside the reference {reference.version}; no gate compared it with another model"
        )


main.add_command(evaluate)
main.add_command(fid)
main.add_command(releases)
main.add_command(release)
main.add_command(pack)


if __name__ == "__main__":
    main(prog_name="palms")
