"""The `palms` command.

Exit codes: 0 done; 1 something is wrong with the data or the machine (one line on standard error says what,
where, and what to do); 2 misuse; 130 interrupted. Heavy imports stand inside the commands, so that `--help`
answers at once.
"""

from __future__ import annotations

import atexit
import gc
from typing import Any

import click

from palm_assets import __version__
from palm_assets.cli.compare import compare
from palm_assets.cli.evaluate import evaluate, fid
from palm_assets.cli.export import export, push
from palm_assets.cli.generate import generate
from palm_assets.cli.models import card, import_published, pack
from palm_assets.cli.morph import morph
from palm_assets.cli.options import home_option
from palm_assets.cli.photographs import check, crop
from palm_assets.cli.releases import release, releases
from palm_assets.cli.status import status
from palm_assets.cli.verify import verify
from palm_assets.errors import PalmError
from palm_assets.runtime import configure, keep_freed_memory


class PalmGroup(click.Group):
    """Gives every command `--home`, and reports a `PalmError` as one line on standard error, exit code 1."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Register a command, with `--home` among its options."""
        cmd.params.append(home_option())
        super().add_command(cmd, name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; see the class for errors."""
        try:
            return super().invoke(ctx)
        except PalmError as error:
            click.echo("palms: " + " ".join(str(error).split()), err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            click.echo("palms: interrupted, nothing was written", err=True)
            ctx.exit(130)


@click.group(
    cls=PalmGroup,
    params=[home_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="palms")
def main() -> None:
    """Generate images of human hands that belong to no one.

    \b
    Example:
      palms generate --count 16 --seed 7 --out palms.zip
    """
    configure()
    keep_freed_memory()
    atexit.register(gc.freeze)  # else Python visits all of torch's objects at exit: a third of a second


for _command in (
    generate,
    morph,
    evaluate,
    fid,
    compare,
    status,
    releases,
    release,
    card,
    pack,
    import_published,
    export,
    push,
    check,
    crop,
    verify,
):
    main.add_command(_command)
