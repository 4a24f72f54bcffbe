"""PNG files of generated images: written and read here.

The origin of an image (seed, model, score, ...) stands in tEXt chunks before the pixels, and an XMP packet in
an iTXt chunk beside them. The Content Credentials, if they are on, stand before both.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from palm_assets import __version__
from palm_assets.gan.config import MAX_SEED
from palm_assets.gan.hand_labels import ANY_HAND, LABELS, HandLabels
from palm_assets.generation.config import (
    ATTEMPTS_PER_IMAGE,
    MAX_COUNT,
    MAX_VARIATION_STEPS,
    VARIATION_COUNT,
)
from palm_assets.generation.generate import GeneratedImage, GenerationRequest
from palm_assets.provenance.config import ProvenanceConfig, provenance_config
from palm_assets.provenance.marking import mark_pixels, packet_of, sign_file
from palm_assets.provenance.xmp import PNG_KEYWORD, XmpClaims, read_xmp

SOFTWARE = f"palms {__version__}"
HEAD_BYTES = 16_384
"""The beginning of the file, which holds all metadata; nothing after it is read. Content Credentials take 3
KB, or more with an operator's chain of certificates."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_INDEX = MAX_COUNT * ATTEMPTS_PER_IMAGE
_SHARE = r"[01](\.[0-9]{1,6})?|[0-9](\.[0-9]{1,6})?e-[0-9]{2}"
_MIN_SCORE = "palms:min_score"
_REQUIRED = {
    "palms:seed": re.compile(r"[0-9]{1,16}"),
    "palms:index": re.compile(r"[0-9]{1,7}"),
    "palms:model": re.compile(r"(starter-)?[0-9a-z]{1,64}"),
    "palms:score": re.compile(r"[01]\.[0-9]{4}"),
    "palms:truncation": re.compile(_SHARE),
}
_OPTIONAL = {
    "palms:steps": re.compile(rf"[1-9][0-9]?(\.[1-9][0-9]?){{0,{MAX_VARIATION_STEPS - 1}}}"),
    _MIN_SCORE: re.compile(_SHARE),
    **{f"palms:{name}": re.compile("|".join(values)) for name, values in LABELS.items()},
}


@dataclass(frozen=True)
class PngMetadata:
    """Where a PNG comes from, according to itself. Anyone can write such chunks: a hint, not a proof.

    Attributes:
        seed: seed of its set.
        index: its place in the set, from 0.
        model: version of the model.
        score: its score when it was written, 0..1, to four decimals.
        truncation: scale of the latent.
        min_score: minimum score of its set; None if there was none.
        steps: variations that lead to it from the image of this seed and index; empty for that image itself.
        labels: what it was made to show.
    """

    seed: int
    index: int
    model: str
    score: float
    truncation: float = 1.0
    min_score: float | None = None
    steps: tuple[int, ...] = ()
    labels: HandLabels = ANY_HAND

    @property
    def request(self) -> GenerationRequest:
        """Generates this image alone, or the one that its variations started from."""
        return GenerationRequest(1, self.seed + self.index, self.truncation, labels=self.labels)


def png_bytes(image: GeneratedImage, model_version: str, config: ProvenanceConfig | None = None) -> bytes:
    """A generated image as PNG, with its metadata and marks.

    Equal images give equal pixels and text chunks. The signature of the Content Credentials is new each time.

    Args:
        image: the image.
        model_version: of the model that generated it.
        config: the marks; by default those that the environment asks for.

    Raises:
        ProvenanceError: the marks are not configured correctly.
    """
    metadata = PngMetadata(
        image.seed,
        image.index,
        model_version,
        image.score,
        image.truncation,
        image.min_score,
        image.steps,
        image.labels,
    )
    return generated_png(image.image, model_version, metadata, config)


def generated_png(
    pixels: NDArray[np.uint8],
    model_version: str,
    metadata: PngMetadata | None = None,
    config: ProvenanceConfig | None = None,
) -> bytes:
    """Pixels uint8 RGB (3, H, W) that a model generated as PNG, with its marks; see `png_bytes`."""
    config = config or provenance_config()
    seed = None if metadata is None else metadata.seed + metadata.index
    xmp = packet_of(model_version, seed, config)
    png = encode_png(mark_pixels(pixels, config), metadata, xmp=xmp)
    return sign_file(png, "image/png", model_version, config)


def encode_png(pixels: NDArray[np.uint8], metadata: PngMetadata | None = None, *, xmp: str = "") -> bytes:
    """Pixels uint8 RGB (3, H, W) as PNG, with metadata and an XMP packet if given, and no marks."""
    text = PngInfo()
    for key, value in _chunk_texts(metadata).items() if metadata else ():
        text.add_text(key, value)
    if xmp:
        text.add_itxt(PNG_KEYWORD, xmp)
    stream = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    # Run lengths alone: for generated images a seventh smaller than zlib's level 1, and faster.
    picture.save(stream, "PNG", compress_type=zlib.Z_RLE, pnginfo=text)
    return stream.getvalue()


def read_png_metadata(head: bytes) -> PngMetadata | None:
    """Metadata from the first `HEAD_BYTES` of a PNG; None for any file that `encode_png` did not write.

    The bytes may be hostile: no pixel is decoded, and a value is accepted only in exactly the form
    in which it is written.
    """
    texts = dict(_text_chunks(head[:HEAD_BYTES]))
    if not all(key in texts and form.fullmatch(texts[key]) for key, form in _REQUIRED.items()):
        return None
    if not all(form.fullmatch(texts[key]) for key, form in _OPTIONAL.items() if key in texts):
        return None
    steps = texts.get("palms:steps", "")
    metadata = PngMetadata(
        int(texts["palms:seed"]),
        int(texts["palms:index"]),
        texts["palms:model"],
        float(texts["palms:score"]),
        float(texts["palms:truncation"]),
        float(texts[_MIN_SCORE]) if _MIN_SCORE in texts else None,
        tuple(map(int, steps.split("."))) if steps else (),
        HandLabels(**{name: texts[f"palms:{name}"] for name in LABELS if f"palms:{name}" in texts}),
    )
    return metadata if _is_possible(metadata) else None


def read_png_xmp(head: bytes) -> XmpClaims | None:
    """What the XMP packet in the first `HEAD_BYTES` of a PNG says; None if there is none.

    The bytes may be hostile. Compressed packets are not read.
    """
    start = PNG_KEYWORD.encode() + bytes(3)  # not compressed; two texts that are empty follow
    for kind, data in _chunks(head[:HEAD_BYTES]):
        if kind == b"iTXt" and data.startswith(start):
            return read_xmp(data[len(start) :].lstrip(b"\0"))
    return None


def _chunk_texts(metadata: PngMetadata) -> dict[str, str]:
    """Keyword to text, in the order in which they are written."""
    texts = {
        "Software": SOFTWARE,
        "palms:seed": str(metadata.seed),
        "palms:index": str(metadata.index),
        "palms:model": metadata.model,
        "palms:score": f"{metadata.score:.4f}",
        "palms:truncation": f"{metadata.truncation:g}",
    }
    if metadata.steps:
        texts["palms:steps"] = ".".join(map(str, metadata.steps))
    if metadata.min_score is not None:  # an evaluation of the set has to say that it was filtered
        texts[_MIN_SCORE] = f"{metadata.min_score:g}"
    return texts | {f"palms:{name}": value for name, value in metadata.labels.known.items()}


def _is_possible(metadata: PngMetadata) -> bool:
    return (
        metadata.seed + metadata.index <= MAX_SEED
        and metadata.index <= _MAX_INDEX
        and metadata.score <= 1
        and 0 < metadata.truncation <= 1
        and (metadata.min_score is None or metadata.min_score <= 1)
        and max(metadata.steps, default=1) <= VARIATION_COUNT
    )


def _text_chunks(head: bytes) -> Iterator[tuple[str, str]]:
    """Keyword and text of each tEXt chunk (PNG specification, section 11.3.3.2)."""
    for kind, data in _chunks(head):
        if kind == b"tEXt":
            keyword, _, text = data.partition(b"\0")
            yield keyword.decode("latin-1"), text.decode("latin-1")


def _chunks(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and data of each complete, undamaged chunk before the pixels."""
    if not head.startswith(SIGNATURE):
        return
    at = len(SIGNATURE)
    while at + 12 <= len(head):
        length, kind = struct.unpack_from(">I4s", head, at)
        end = at + 12 + length
        if end > len(head) or kind == b"IDAT":
            return
        data, (checksum,) = head[at + 8 : end - 4], struct.unpack_from(">I", head, end - 4)
        if zlib.crc32(kind + data) != checksum:
            return
        yield kind, data
        at = end
