"""What the commands of `palms` have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from palm_assets.store.artifacts import Store


def with_home(command: Any) -> Any:
    """Let `--home` stand after the command's name too."""
    return click.option(
        "--home",
        "own_home",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of the artifact store (default: $PALM_HOME, or ./palm_home).",
    )(command)


def store_of(ctx: click.Context, own_home: Path | None) -> Store:
    """The store that the command or the group was pointed at."""
    from palm_assets.store.artifacts import Store

    return Store(own_home or ctx.obj)
