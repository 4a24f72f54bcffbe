"""Frames as a video or an animated GIF; both play forwards and then backwards."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from palm_assets.generation.interpolation import FRAME_MILLISECONDS, MIN_SIDE, animated_webp
from palm_assets.provenance.config import provenance_config
from palm_assets.provenance.marking import mark_pixels, packet_of, sign_file
from palm_assets.provenance.xmp import video_box

QUALITY = "18"  # x264's constant rate factor; 0 is lossless, 23 its default
COMMENT = "AI-generated"


def animated_mp4(frames: Sequence[NDArray[np.uint8]]) -> bytes:
    """Frames uint8 (3, S, S) as an MP4 (H.264, 4:2:0, no sound), which browsers and messengers play.

    Its index is at the front, so that it plays while it is still downloaded.
    """
    pictures = [np.asarray(picture) for picture in _there_and_back(frames)]
    with tempfile.TemporaryDirectory(prefix="palms-") as folder:
        path = Path(folder) / "animation.mp4"  # to move the index to the front, FFmpeg reads the file again
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
            container.metadata["comment"] = COMMENT
            stream = container.add_stream(
                "libx264",
                rate=Fraction(1000, FRAME_MILLISECONDS),
                options={"crf": QUALITY, "threads": "1"},  # the bytes depend on the number of threads
            )
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            for picture in pictures:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        return path.read_bytes()


def animated_gif(frames: Sequence[NDArray[np.uint8]]) -> bytes:
    """Frames uint8 (3, S, S) as an animated GIF (256 colors) that plays for ever."""
    pictures = _there_and_back(frames)
    # One palette for all frames, else skin flickers.
    sheet = Image.new("RGB", (pictures[0].width, pictures[0].height * len(frames)))
    for row, picture in enumerate(pictures[: len(frames)]):
        sheet.paste(picture, (0, row * picture.height))
    palette = sheet.quantize(256, Image.Quantize.MEDIANCUT)
    colored = [picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for picture in pictures]
    stream = io.BytesIO()
    colored[0].save(
        stream,
        "GIF",
        save_all=True,
        append_images=colored[1:],
        duration=FRAME_MILLISECONDS,
        loop=0,
        comment=COMMENT.encode(),
    )
    return stream.getvalue()


def marked_animation(ending: str, frames: Sequence[NDArray[np.uint8]], model_version: str) -> bytes:
    """Frames that a model generated as a file of one of `ENCODERS`, with its marks.

    All frames have the watermark. WebP and MP4 carry XMP too; MP4 and GIF say what they are in a comment.

    Raises:
        ProvenanceError: the marks are not configured correctly.
    """
    config = provenance_config()
    marked = [mark_pixels(frame, config) for frame in frames]
    packet = packet_of(model_version, config=config)
    if ending == ".webp":
        content = animated_webp(marked, packet)
    elif ending == ".mp4":
        content = animated_mp4(marked) + video_box(packet)
    else:
        content = ENCODERS[ending](marked)
    return sign_file(content, MEDIA_TYPES[ending], model_version, config)


ENCODERS: dict[str, Callable[[Sequence[NDArray[np.uint8]]], bytes]] = {
    ".mp4": animated_mp4,
    ".webp": animated_webp,
    ".gif": animated_gif,
}
"""Ending of a file's name to the function that encodes frames for it, without marks."""

MEDIA_TYPES = {".mp4": "video/mp4", ".webp": "image/webp", ".gif": "image/gif"}
"""Ending of a file's name to the media type of the file."""


def _there_and_back(frames: Sequence[NDArray[np.uint8]]) -> list[Image.Image]:
    """Pictures of at least `MIN_SIDE` pixels, forwards and then backwards."""
    pictures = [Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0))) for frame in frames]
    side = max(pictures[0].width, MIN_SIDE)
    enlarged = [picture.resize((side, side), Image.Resampling.BICUBIC) for picture in pictures]
    return [*enlarged, *enlarged[-2:0:-1]]
