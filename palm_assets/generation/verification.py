"""Says what an image or MP4 file tells about its origin: its metadata, its signature and its watermark.

The file may be hostile. No single hint is believed more than it deserves: metadata can be written by anybody,
a signature says who signed, and the watermark only that an image of Palms is in there.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from PIL import Image

from palm_assets.errors import ProvenanceError
from palm_assets.generation.png_metadata import HEAD_BYTES, PngMetadata, read_png_metadata
from palm_assets.photos.formats import is_mp4
from palm_assets.photos.reader import MAX_MEGAPIXELS, open_image
from palm_assets.provenance.config import ProvenanceConfig, provenance_config
from palm_assets.provenance.content_credentials import Credentials, read_credentials
from palm_assets.provenance.watermark_search import WatermarkResult, find_watermark
from palm_assets.provenance.xmp import XmpClaims, read_video_xmp, read_xmp

log = logging.getLogger(__name__)

MAX_MEGABYTES = 500
"""Larger files are refused: the check of a signature takes up to 2.3 times the size of the file in memory."""

Conclusion = Literal[
    "own", "altered", "watermarked", "signed", "claimed", "static_page", "ai_claimed", "nothing"
]

TEXTS: dict[Conclusion, str] = {
    "own": "Generated and signed by this installation of Palms; not changed since.",
    "altered": "Its Content Credentials do not fit: the file was changed after signing, or they are forged.",
    "watermarked": "It has the watermark of Palms: Palms generated it, or the mark was copied into it.",
    "signed": "Signed by somebody whom this installation does not know; what follows is in their words.",
    "claimed": "Its metadata say that Palms generated it; nothing confirms that. Anybody can write metadata.",
    "static_page": "Its metadata say that a static page of Palms generated it; such images are not signed. "
    "Anybody can write metadata.",
    "ai_claimed": "Its metadata say that AI generated it, not which. Anybody can write metadata.",
    "nothing": "No trace of Palms was found. That does not show that it is a photograph.",
}
"""What each conclusion means, in English."""

_ZIP_START = b"PK\x03\x04"  # of what `palms generate` and the page pack images into
_MEDIA_TYPES = {
    "PNG": "image/png", "JPEG": "image/jpeg", "MPO": "image/jpeg", "WEBP": "image/webp", "TIFF": "image/tiff",
    "GIF": "image/gif", "AVIF": "image/avif", "HEIF": "image/heif",
}  # fmt: skip


@dataclass(frozen=True)
class Verification:
    """What was found in a file.

    Attributes:
        conclusion: the strongest statement that it supports; a manifest that does not fit comes first.
        metadata: text chunks of a PNG of Palms.
        xmp: what its XMP says.
        credentials: its C2PA manifest.
        watermark: the search for the mark; None if it was not looked for.
        watermark_skipped: why it was not looked for.
    """

    conclusion: Conclusion
    metadata: PngMetadata | None = None
    xmp: XmpClaims | None = None
    credentials: Credentials | None = None
    watermark: WatermarkResult | None = None
    watermark_skipped: str = ""


def verify_file(path: Path) -> Verification:
    """Verify a file; see `verify`.

    Raises:
        ProvenanceError: it cannot be read, or is neither an image nor an MP4.
    """
    try:
        with path.open("rb") as stream:
            return verify(stream, path)
    except OSError as error:
        raise ProvenanceError(
            f"The file cannot be read: {error.strerror or error}", where=path, hint="Check its name."
        ) from error


def verify(
    stream: BinaryIO,
    where: Path | str,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
    config: ProvenanceConfig | None = None,
) -> Verification:
    """Look for metadata, Content Credentials and the watermark in an image or MP4 file.

    Args:
        stream: the file; only its first frame is decoded.
        where: its name, for messages.
        max_megapixels: the watermark is not looked for in larger images.
        config: names this installation's certificate; from the environment by default.

    Raises:
        ProvenanceError: it is no image that Palms can read, and no MP4; or it is larger than `MAX_MEGABYTES`.
    """
    config = config or provenance_config()
    size = stream.seek(0, 2) / 2**20
    if size > MAX_MEGABYTES:
        raise ProvenanceError(
            f"The file has {size:.0f} MB; at most {MAX_MEGABYTES} MB can be checked",
            where=where,
            hint="Give a smaller file.",
        )
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    if is_mp4(head):
        return _verify_video(stream, max_megapixels, config)
    stream.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of large images; the size is checked below
        image = _opened(stream, head, where, max_megapixels)
        with image:
            media_type = _MEDIA_TYPES.get(image.format or "")
            xmp = _read_xmp(image)
            watermark, skipped = _search(image, max_megapixels)
    credentials = None
    if media_type is not None:
        stream.seek(0)
        credentials = read_credentials(stream, media_type, config)
    metadata = read_png_metadata(head)
    return Verification(
        _conclusion(metadata, xmp, credentials, watermark), metadata, xmp, credentials, watermark, skipped
    )


def _verify_video(stream: BinaryIO, max_megapixels: float, config: ProvenanceConfig) -> Verification:
    xmp = read_video_xmp(stream)
    stream.seek(0)
    credentials = read_credentials(stream, "video/mp4", config)
    stream.seek(0)
    watermark, skipped = _search_video(stream, max_megapixels)
    return Verification(
        _conclusion(None, xmp, credentials, watermark), None, xmp, credentials, watermark, skipped
    )


def _search_video(stream: BinaryIO, max_megapixels: float) -> tuple[WatermarkResult | None, str]:
    """The result for the first frame, or why there is none. Only H.264 is decoded, which Palms writes."""
    import av
    import numpy as np

    try:
        with av.open(stream, "r", format="mp4") as container:
            video = next(iter(container.streams.video), None)
            codec = None if video is None else video.codec_context  # None for unknown codecs, too
            if video is None or codec is None or codec.name != "h264":
                return None, "only videos in H.264 are decoded"
            if video.width * video.height > max_megapixels * 1e6:
                return None, _too_large(video.width, video.height, max_megapixels)
            frame = next(container.decode(video), None)
            if frame is None:
                return None, "the video is damaged"
            if (
                frame.width * frame.height > max_megapixels * 1e6
            ):  # a frame may differ from what was announced
                return None, _too_large(frame.width, frame.height, max_megapixels)
            return find_watermark(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)), ""
    except (av.FFmpegError, ValueError, OSError) as error:
        log.info("not decoded", extra={"reason": str(error)})
        return None, "the video is damaged"


def _too_large(width: int, height: int, max_megapixels: float) -> str:
    return f"{width}x{height} pixels are more than {max_megapixels:g} megapixels"


def _opened(stream: BinaryIO, head: bytes, where: Path | str, max_megapixels: float) -> Image.Image:
    """The image, not decoded yet."""
    try:
        return open_image(stream, head, max_megapixels=max_megapixels)
    except Image.DecompressionBombError as error:
        raise ProvenanceError("The image has too many pixels", where=where, hint="Scale it down.") from error
    except Exception as error:  # Pillow's decoders raise all kinds of errors for damaged files
        archive = head.startswith(_ZIP_START)
        raise ProvenanceError(
            "The file is a ZIP archive" if archive else "The file is not an image that Palms can read",
            where=where,
            hint="Unpack it and give its images." if archive else "Give a PNG, JPEG, WebP or MP4 file.",
        ) from error


def _read_xmp(image: Image.Image) -> XmpClaims | None:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode()
    return read_xmp(packet.strip(b"\0")) if isinstance(packet, bytes) else None


def _search(image: Image.Image, max_megapixels: float) -> tuple[WatermarkResult | None, str]:
    """The result, or why there is none."""
    import numpy as np

    width, height = image.size
    if width * height > max_megapixels * 1e6:
        return None, _too_large(width, height, max_megapixels)
    try:
        picture = image.convert("RGBA" if "transparency" in image.info or "A" in image.mode else "RGB")
    except Exception as error:  # see `_opened`
        log.info("not decoded", extra={"reason": str(error)})
        return None, "the pixels are damaged"
    if picture.mode == "RGBA":  # as a viewer shows it, over white
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    return find_watermark(np.asarray(picture)), ""


def _conclusion(
    metadata: PngMetadata | None,
    xmp: XmpClaims | None,
    credentials: Credentials | None,
    watermark: WatermarkResult | None,
) -> Conclusion:
    if credentials is not None and credentials.state == "own":
        return "own"
    if credentials is not None and credentials.state == "invalid":
        return "altered"
    if watermark is not None and watermark.found:
        return "watermarked"
    if credentials is not None:
        return "signed"
    if metadata is not None or (xmp is not None and xmp.is_of_palms):
        return "static_page" if xmp is not None and xmp.is_of_static_page else "claimed"
    if xmp is not None and xmp.is_ai:
        return "ai_claimed"
    return "nothing"
