"""Each kind of file is told rightly, and none is believed wrongly."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from palm_assets.errors import ProvenanceError
from palm_assets.generation.animation import marked_animation
from palm_assets.generation.generate import GeneratedImage
from palm_assets.generation.png_metadata import PngMetadata, encode_png, png_bytes
from palm_assets.generation.verification import Verification, verify, verify_file
from palm_assets.provenance.certificate import make_certificate
from palm_assets.provenance.config import DIGITAL_SOURCE_TYPE, ProvenanceConfig, provenance_config
from palm_assets.provenance.content_credentials import read_credentials, signed
from palm_assets.provenance.watermark import watermarked
from palm_assets.provenance.xmp import PNG_KEYWORD, xmp_packet
from tests.generation.test_png_metadata import chunk
from tests.helpers import unsigned
from tests.provenance.test_watermark import rough

MODEL = "0123abcd"


@pytest.fixture(scope="module")
def ours() -> bytes:
    return png_bytes(GeneratedImage(3, 7, rough(), 0.5), MODEL)


def told(content: bytes) -> Verification:
    return verify(io.BytesIO(content), "file")


def saved(content: bytes, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").save(stream, kind, **options)
    return stream.getvalue()


def test_an_image_of_ours(ours: bytes) -> None:
    result = told(ours)
    assert result.conclusion == "own"
    assert result.metadata == PngMetadata(7, 3, MODEL, 0.5)
    assert result.xmp is not None
    assert (result.xmp.source_type, result.xmp.model, result.xmp.seed) == (DIGITAL_SOURCE_TYPE, MODEL, "10")
    assert result.credentials is not None
    assert (result.credentials.source_type, result.credentials.model) == (DIGITAL_SOURCE_TYPE, MODEL)
    assert result.watermark is not None
    assert result.watermark.found


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_ours_without_its_metadata_is_known_by_the_watermark(ours: bytes, kind: str) -> None:
    result = told(saved(ours, kind, **({} if kind == "PNG" else {"quality": 85})))
    assert (result.conclusion, result.metadata, result.xmp, result.credentials) == (
        "watermarked",
        None,
        None,
        None,
    )


def test_one_flipped_pixel_is_noticed(ours: bytes) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(ours))).copy()
    pixels[100, 100, 0] ^= 1
    fresh = encode_png(pixels.transpose(2, 0, 1))
    changed = ours[: ours.index(b"IDAT") - 4] + fresh[fresh.index(b"IDAT") - 4 :]
    assert (np.asarray(Image.open(io.BytesIO(changed))) == pixels).all()
    result = told(changed)
    assert result.conclusion == "altered"
    assert result.credentials is not None
    assert "assertion.dataHash.mismatch" in result.credentials.problems


def test_our_manifest_in_another_image_is_not_believed(ours: bytes) -> None:
    start = ours.index(b"caBX") - 4
    (length,) = struct.unpack_from(">I", ours, start)
    photograph = encode_png(rough(seed=5))
    lie = photograph[:33] + ours[start : start + 12 + length] + photograph[33:]
    result = told(lie)
    assert result.conclusion == "altered"
    assert result.watermark is not None
    assert not result.watermark.found


def test_a_photograph_has_no_trace() -> None:
    for content in (encode_png(rough(seed=5)), saved(encode_png(rough(seed=6)), "JPEG")):
        assert told(content).conclusion == "nothing"


def test_forged_text_and_xmp_are_claims_only(ours: bytes) -> None:
    photograph = rough(seed=5)
    texts = encode_png(photograph, PngMetadata(7, 3, MODEL, 0.5))
    assert told(texts).conclusion == "claimed"
    assert told(encode_png(photograph, xmp=xmp_packet(MODEL, 7))).conclusion == "claimed"
    stripped = told(unsigned(encode_png(photograph, PngMetadata(7, 3, MODEL, 0.5), xmp=xmp_packet(MODEL))))
    assert stripped.conclusion == "claimed"


def test_another_generators_image_is_told_in_its_own_words(tmp_path: Path) -> None:
    chain, key = make_certificate("Other Studio", "Other")
    (tmp_path / "chain.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(key)
    theirs = ProvenanceConfig(certificate=tmp_path / "chain.pem", key=tmp_path / "key.pem")
    result = told(signed(encode_png(rough(seed=5)), "image/png", "their-model", theirs))
    assert result.conclusion == "signed"
    assert result.credentials is not None
    assert (result.credentials.signer, result.credentials.source_type) == (
        "Other Studio",
        DIGITAL_SOURCE_TYPE,
    )


def test_xmp_of_another_generator_says_ai_and_not_palms() -> None:
    text = PngInfo()
    text.add_itxt(PNG_KEYWORD, xmp_packet("x").replace("palms 0.1.0", "Other 3"))
    stream = io.BytesIO()
    Image.fromarray(rough(seed=5).transpose(1, 2, 0)).save(stream, "PNG", pnginfo=text)
    assert told(stream.getvalue()).conclusion == "ai_claimed"


@pytest.mark.parametrize("ending", [".webp", ".gif"])
def test_a_morph_carries_the_marks(ending: str) -> None:
    result = told(marked_animation(ending, [rough(seed=1), rough(seed=2), rough(seed=3)], MODEL))
    assert result.conclusion == "own"
    assert result.watermark is not None
    assert result.watermark.found
    assert (result.xmp is not None) == (ending == ".webp")


def test_a_video_is_signed() -> None:
    content = marked_animation(".mp4", [rough(seed=1), rough(seed=2), rough(seed=3)], MODEL)
    found = read_credentials(io.BytesIO(content), "video/mp4", provenance_config())
    assert found is not None
    assert (found.state, found.model, found.source_type) == ("own", MODEL, DIGITAL_SOURCE_TYPE)


def test_each_layer_can_be_off() -> None:
    image = GeneratedImage(3, 7, rough(), 0.5)
    for layers, conclusion in (
        (frozenset(), "claimed"),  # the text chunks alone
        (frozenset({"c2pa"}), "own"),
        (frozenset({"watermark"}), "watermarked"),
    ):
        result = told(png_bytes(image, MODEL, ProvenanceConfig(layers)))
        assert result.conclusion == conclusion
        assert result.xmp is None


def test_a_png_with_a_huge_size_is_not_decoded() -> None:
    content = encode_png(watermarked(rough()))
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    result = told(content[:8] + chunk(b"IHDR", header) + content[33:])
    assert result.watermark is None
    assert "megapixels" in result.watermark_skipped


def test_damaged_pixels_and_manifests_are_told(ours: bytes) -> None:
    cut = told(unsigned(ours)[:-30_000])
    assert (cut.watermark, cut.watermark_skipped) == (None, "the pixels are damaged")
    start = ours.index(b"caBX")
    (length,) = struct.unpack_from(">I", ours, start - 4)
    broken = b"caBX" + bytes(length)
    content = ours[:start] + broken + struct.pack(">I", zlib.crc32(broken)) + ours[start + 8 + length :]
    assert told(content).conclusion in ("altered", "watermarked")
    assert told(content).conclusion != "own"


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"<svg onload='alert(1)'/>", bytes(5000)]
)
def test_what_is_no_image_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.png"
    path.write_bytes(content)
    with pytest.raises(ProvenanceError, match="not an image"):
        verify_file(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProvenanceError, match="cannot be read"):
        verify_file(tmp_path / "no.png")
    with pytest.raises(ProvenanceError, match="cannot be read"):
        verify_file(tmp_path)
