"""`palms verify`: where image and video files come from, according to metadata, signature and watermark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from palm_assets.cli.options import json_option
from palm_assets.errors import PalmError, ProvenanceError

if TYPE_CHECKING:
    from palm_assets.generation.verification import Verification


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option("all that was found")
def verify(files: tuple[Path, ...], as_json: bool) -> None:
    """Say where image or video FILES come from.

    Reads their metadata, checks their Content Credentials (C2PA), and looks for the watermark of Palms.
    Nothing leaves this computer. The exit code is 1 if a file cannot be read.

    \b
    Examples:
      palms verify palm_000001.png
      palms verify --json *.png | jq '.[].conclusion'
    """
    from dataclasses import asdict

    from palm_assets.generation.verification import TEXTS, verify_file

    found: list[dict[str, object]] = []
    problems: list[ProvenanceError] = []
    for path in files:
        try:
            result = verify_file(path)
        except ProvenanceError as error:
            problems.append(error)
            found.append({"file": str(path), "error": error.what})
            if not as_json:
                click.echo(f"{path}: {error.what}")
            continue
        found.append({"file": str(path), "text": TEXTS[result.conclusion], **asdict(result)})
        if not as_json:
            click.echo(
                "\n".join([f"{path}: {TEXTS[result.conclusion]}", *(f"  {x}" for x in details(result))])
            )
    if as_json:
        click.echo(json.dumps(found, indent=2))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise PalmError(
            f"{len(problems)} of {len(files)} files cannot be read",
            where=problems[0].where,
            hint="Give PNG, JPEG, WebP or MP4 files.",
        )


def details(result: Verification) -> list[str]:
    """One line for each kind of hint."""
    metadata, xmp, credentials, watermark = result.metadata, result.xmp, result.credentials, result.watermark
    lines = []
    if metadata is not None:
        lines.append(f"metadata: model {metadata.model}, seed {metadata.seed}, image {metadata.index + 1}")
    if xmp is not None:
        source = xmp.source_type.rpartition("/")[2] or "none"
        lines.append(f"XMP: source type {source}, made with {xmp.creator_tool or 'an unnamed program'}")
    if credentials is None:
        lines.append("Content Credentials: none")
    else:
        states = {"own": "valid, signed here", "valid": "valid, signer unknown", "invalid": "INVALID"}
        text = f"Content Credentials: {states[credentials.state]}; signer {credentials.signer!r}"
        if credentials.generator:
            text += f", made with {credentials.generator} {credentials.model}".rstrip()
        if credentials.source_type:
            text += f", source type {credentials.source_type.rpartition('/')[2]}"
        if credentials.state == "invalid" and credentials.problems:
            text += f" ({', '.join(credentials.problems)})"
        lines.append(text)
    if watermark is None:
        lines.append(f"watermark: not looked for, {result.watermark_skipped}")
    else:
        word = "found" if watermark.found else "not found"
        lines.append(f"watermark: {word} ({watermark.statistic:.1f}, threshold {watermark.threshold:.1f})")
    return lines
