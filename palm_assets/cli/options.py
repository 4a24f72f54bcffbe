"""What the commands of `palms` share: the artifact store and `--home`, the model, and JSON output."""

from __future__ import annotations

import contextlib
import functools
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from PIL import Image

    from palm_assets.store.artifacts import Store

P = ParamSpec("P")
R = TypeVar("R")

# As in palm_assets.gan.hand_labels, which is not imported for its package imports pydantic.
_LABELS = {"aspect": ("palm", "back"), "side": ("left", "right"), "skin": ("fair", "medium", "dark")}
_LABEL_HELP = {
    "aspect": "Palms, or backs of hands",
    "side": "Left or right hands",
    "skin": "Tone of the skin",
}

_HOME = f"{__name__}.home"  # key in click's `meta`, which all contexts of one invocation share


def home_option() -> click.Option:
    """`--home`, for the group and each of its commands; the one next to the command wins."""
    return click.Option(
        ["--home"],
        type=click.Path(file_okay=False, path_type=Path),
        expose_value=False,
        callback=_remember_home,
        help="Folder of the artifact store.  [default: $PALM_HOME, else ./palm_home]",
    )


def _remember_home(ctx: click.Context, parameter: click.Parameter, home: Path | None) -> None:
    if home is not None:
        ctx.meta[_HOME] = home


def pass_store(command: Callable[Concatenate[Store, P], R]) -> Callable[P, R]:
    """Call the command with the artifact store as its first argument."""

    @functools.wraps(command)
    def with_store(*args: P.args, **kwargs: P.kwargs) -> R:
        from palm_assets.store.artifacts import Store

        return command(Store(click.get_current_context().meta.get(_HOME)), *args, **kwargs)

    return with_store


def model_option() -> Callable[[Any], Any]:
    """`--model`, passed to the command as `name`; `palm_assets.load_model` takes it."""
    return click.option(
        "--model",
        "name",
        metavar="NAME",
        help="A version, the folder of a model, OWNER/NAME on the Hub, `starter`, or `hands`."
        "  [default: the released model of photographs, else the starter]",
    )


def label_options(prefix: str = "", about: str = "") -> Callable[[Any], Any]:
    """`--aspect`, `--side` and `--skin`, with a prefix: what the hands are to show."""

    def with_options(command: Any) -> Any:
        for name, help_text in reversed(_LABEL_HELP.items()):
            values = click.Choice((*_LABELS[name], "any"))
            option = click.option(
                f"--{prefix}{name}", type=values, default="any", show_default=True, help=help_text + about
            )
            command = option(command)
        return command

    return with_options


def json_option(what: str) -> Callable[[Any], Any]:
    """`--json`, passed to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what} as JSON.")


def print_result(values: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print what a command did: as JSON, or as text for people."""
    click.echo(json.dumps(values, indent=2, default=str) if as_json else text)


def save_picture(picture: Image.Image, path: Path, image_format: str | None = None) -> None:
    """Write a picture, by default in the format of the file's ending; an earlier file stays if that fails.

    Raises:
        OSError: it cannot be written.
    """
    from PIL import Image

    from palm_assets.store.atomic import write_atomically

    content = io.BytesIO()
    picture.save(content, image_format or Image.registered_extensions()[path.suffix.lower()])
    write_atomically(path, content.getvalue())


@contextlib.contextmanager
def tells_replacement(*files: Path | None) -> Iterator[bool]:
    """Say on standard error which of the files were there before the block, which writes them.

    Yields:
        Whether any was.
    """
    before = [file for file in files if file is not None and file.exists()]
    yield bool(before)
    for file in before:
        click.echo(f"{file} was there before and has been replaced", err=True)
