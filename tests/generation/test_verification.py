"""Each kind of file is identified as what it is, and no false claim is believed."""

from __future__ import annotations

import io
import resource
import struct
import zipfile
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import c2pa
import numpy as np
import pillow_heif
import pytest
import ultralytics
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from palm_assets.errors import ProvenanceError
from palm_assets.generation.animation import animated_mp4, marked_animation
from palm_assets.generation.generate import GeneratedImage
from palm_assets.generation.png_metadata import PngMetadata, encode_png, png_bytes
from palm_assets.generation.verification import MAX_MEGABYTES, Verification, verify, verify_file
from palm_assets.provenance.certificate import make_certificate
from palm_assets.provenance.config import DIGITAL_SOURCE_TYPE, ProvenanceConfig, provenance_config
from palm_assets.provenance.content_credentials import signed
from palm_assets.provenance.watermark import watermarked
from palm_assets.provenance.xmp import PNG_KEYWORD, STATIC_PAGE_TOOL, video_box, xmp_packet
from tests.generation.test_png_metadata import chunk
from tests.helpers import unsigned
from tests.provenance.test_watermark import rough

MODEL = "0123abcd"


@pytest.fixture(scope="module")
def ours() -> bytes:
    return png_bytes(GeneratedImage(3, 7, rough(), 0.5), MODEL)


def verification_of(content: bytes) -> Verification:
    return verify(io.BytesIO(content), "file")


def saved(content: bytes, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").save(stream, kind, **options)
    return stream.getvalue()


def test_an_image_of_ours(ours: bytes) -> None:
    result = verification_of(ours)
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
    result = verification_of(saved(ours, kind, **({} if kind == "PNG" else {"quality": 85})))
    assert (result.conclusion, result.metadata, result.xmp, result.credentials) == (
        "watermarked",
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("HEIF", "image/heif"), ("AVIF", "image/avif"), ("TIFF", "image/tiff"), ("JPEG", "image/jpeg")],
)
def test_signed_files_of_other_formats_are_read(kind: str, media_type: str) -> None:
    pillow_heif.register_heif_opener()
    content = saved(encode_png(rough(64, seed=5)), kind)
    assert verification_of(content).conclusion == "nothing"
    assert verification_of(signed(content, media_type, MODEL, provenance_config())).conclusion == "own"


def test_one_flipped_pixel_is_noticed(ours: bytes) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(ours))).copy()
    pixels[100, 100, 0] ^= 1
    fresh = encode_png(pixels.transpose(2, 0, 1))
    changed = ours[: ours.index(b"IDAT") - 4] + fresh[fresh.index(b"IDAT") - 4 :]
    assert (np.asarray(Image.open(io.BytesIO(changed))) == pixels).all()
    result = verification_of(changed)
    assert result.conclusion == "altered"
    assert result.credentials is not None
    assert "assertion.dataHash.mismatch" in result.credentials.problems


def test_our_manifest_in_another_image_is_not_believed(ours: bytes) -> None:
    start = ours.index(b"caBX") - 4
    (length,) = struct.unpack_from(">I", ours, start)
    photograph = encode_png(rough(seed=5))
    lie = photograph[:33] + ours[start : start + 12 + length] + photograph[33:]
    result = verification_of(lie)
    assert result.conclusion == "altered"
    assert result.watermark is not None
    assert not result.watermark.found


def test_a_photograph_has_no_trace() -> None:
    for content in (encode_png(rough(seed=5)), saved(encode_png(rough(seed=6)), "JPEG")):
        assert verification_of(content).conclusion == "nothing"


def test_forged_text_and_xmp_are_claims_only(ours: bytes) -> None:
    photograph = rough(seed=5)
    texts = encode_png(photograph, PngMetadata(7, 3, MODEL, 0.5))
    assert verification_of(texts).conclusion == "claimed"
    assert verification_of(encode_png(photograph, xmp=xmp_packet(MODEL, 7))).conclusion == "claimed"
    stripped = verification_of(
        unsigned(encode_png(photograph, PngMetadata(7, 3, MODEL, 0.5), xmp=xmp_packet(MODEL)))
    )
    assert stripped.conclusion == "claimed"


def test_a_certificate_of_somebody_else_is_reported(tmp_path: Path) -> None:
    chain, key = make_certificate("Other Studio", "Other")
    (tmp_path / "chain.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(key)
    theirs = ProvenanceConfig(certificate=tmp_path / "chain.pem", key=tmp_path / "key.pem")
    result = verification_of(signed(encode_png(rough(seed=5)), "image/png", "their-model", theirs))
    assert result.conclusion == "signed"
    assert result.credentials is not None
    assert (result.credentials.signer, result.credentials.source_type) == (
        "Other Studio",
        DIGITAL_SOURCE_TYPE,
    )


def test_another_generators_image_is_not_taken_for_ours() -> None:
    """A JPEG with another generator's manifest: another program, kind of key, action and source type."""
    chain, key = credentials_of_another_kind()
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, key, None)
    composite = DIGITAL_SOURCE_TYPE.replace("trained", "compositeWithTrained")
    created = {"action": "c2pa.created", "digitalSourceType": composite, "softwareAgent": {"name": "Painter"}}
    manifest = {
        "claim_generator_info": [{"name": "Painter", "version": "9"}],
        "title": "A painting",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }
    out = io.BytesIO()
    with c2pa.Builder(manifest) as builder, c2pa.Signer.from_info(info) as signer:
        builder.sign(signer, "image/jpeg", io.BytesIO(saved(encode_png(rough(seed=5)), "JPEG")), out)
    result = verification_of(out.getvalue())
    assert result.conclusion == "signed"
    assert result.credentials is not None
    assert result.credentials.state == "valid"
    assert (result.credentials.generator, result.credentials.source_type) == ("Painter", composite)
    assert result.credentials.model == ""
    assert result.watermark is not None
    assert not result.watermark.found


def credentials_of_another_kind() -> tuple[bytes, bytes]:
    """A certificate for an ECDSA key with its root, and the key, both PEM."""
    now, names = datetime.now(UTC), []
    for name in ("Painter CA", "Painter"):
        pairs = ((NameOID.ORGANIZATION_NAME, "Painter Inc"), (NameOID.COMMON_NAME, name))
        names.append(x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs]))
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem = b""
    for subject, public, is_root in ((names[1], key, False), (names[0], root_key, True)):
        usage = [not is_root, False, False, False, False, is_root, is_root, False, False]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(names[0])
            .public_key(public.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_root, 0 if is_root else None), critical=True)
            .add_extension(x509.KeyUsage(*usage), critical=True)
        )
        root_public = root_key.public_key()
        if is_root:
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(root_public), False)
        else:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_public), False
            ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        pem += builder.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return pem, key.private_bytes(serialization.Encoding.PEM, *form)


@pytest.mark.parametrize("name", ["bus.jpg", "zidane.jpg"])
def test_a_real_photograph_has_no_trace(name: str) -> None:
    """Photographs that the package Ultralytics brings."""
    result = verify_file(Path(ultralytics.utils.ASSETS) / name)
    assert (result.conclusion, result.metadata, result.xmp, result.credentials) == ("nothing", *[None] * 3)
    assert result.watermark is not None


def test_an_image_of_a_static_page_is_identified() -> None:
    packet = xmp_packet(MODEL, 7, STATIC_PAGE_TOOL)
    result = verification_of(encode_png(rough(seed=5), xmp=packet))
    assert result.conclusion == "static_page"
    assert result.credentials is None
    assert result.xmp is not None
    assert (result.xmp.model, result.xmp.seed) == (MODEL, "7")
    marked = verification_of(encode_png(watermarked(rough(seed=5)), xmp=packet))
    assert marked.conclusion == "watermarked"  # a static page writes none: somebody changed the metadata


def test_xmp_of_another_generator_says_ai_and_not_palms() -> None:
    text = PngInfo()
    text.add_itxt(PNG_KEYWORD, xmp_packet("x").replace("palms 0.1.0", "Other 3"))
    stream = io.BytesIO()
    Image.fromarray(rough(seed=5).transpose(1, 2, 0)).save(stream, "PNG", pnginfo=text)
    assert verification_of(stream.getvalue()).conclusion == "ai_claimed"


@pytest.mark.parametrize("ending", [".webp", ".gif"])
def test_a_morph_carries_the_marks(ending: str) -> None:
    result = verification_of(marked_animation(ending, [rough(seed=1), rough(seed=2), rough(seed=3)], MODEL))
    assert result.conclusion == "own"
    assert result.watermark is not None
    assert result.watermark.found
    assert (result.xmp is not None) == (ending == ".webp")


@pytest.fixture(scope="module")
def video() -> bytes:
    return marked_animation(".mp4", [rough(seed=1), rough(seed=2), rough(seed=3)], MODEL)


def test_a_video_of_ours(video: bytes) -> None:
    result = verification_of(video)
    assert result.conclusion == "own"
    assert result.xmp is not None
    assert (result.xmp.source_type, result.xmp.model) == (DIGITAL_SOURCE_TYPE, MODEL)
    assert result.credentials is not None
    assert (result.credentials.source_type, result.credentials.model) == (DIGITAL_SOURCE_TYPE, MODEL)
    assert result.watermark is not None
    assert result.watermark.found


def test_a_changed_and_a_stripped_video(video: bytes) -> None:
    at = video.index(b"mdat") + 2000
    assert verification_of(video[:at] + bytes([video[at] ^ 1]) + video[at + 1 :]).conclusion == "altered"
    plain = animated_mp4([watermarked(rough(seed=1)), watermarked(rough(seed=2))])
    assert verification_of(plain).conclusion == "watermarked"
    unmarked = animated_mp4([rough(seed=1), rough(seed=2)])
    assert verification_of(unmarked).conclusion == "nothing"
    assert verification_of(unmarked + video_box(xmp_packet(MODEL))).conclusion == "claimed"


@pytest.mark.parametrize("length", [12, 40, 400, 3000])
def test_a_video_cut_short_is_not_believed(video: bytes, length: int) -> None:
    result = verification_of(video[:length])
    assert result.conclusion in ("nothing", "altered", "claimed")
    assert result.watermark is None
    assert result.watermark_skipped in ("the video is damaged", "only videos in H.264 are decoded")


def test_a_video_of_an_unknown_codec_is_reported(video: bytes) -> None:
    result = verification_of(video.replace(b"avc1", b"zzzz"))
    assert result.conclusion == "altered"
    assert result.watermark_skipped == "only videos in H.264 are decoded"


@pytest.mark.parametrize("size", [0, 1, 7, 23, 2**31, 2**32 - 1])
def test_a_box_that_lies_about_its_size_is_not_read(size: int) -> None:
    plain = animated_mp4([rough(seed=1), rough(seed=2)])
    box = video_box(xmp_packet(MODEL))
    assert verification_of(plain + struct.pack(">I", size) + box[4:]).xmp is None
    long = struct.pack(">I4sQ", 1, b"free", 2**64 - 1)
    assert verification_of(plain + long + box).xmp is None


def test_a_zip_of_images_is_to_be_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "palms.zip", "w") as archive:
        archive.writestr("palm.png", b"...")
    with pytest.raises(ProvenanceError, match="ZIP archive") as refused:
        verify_file(tmp_path / "palms.zip")
    assert refused.value.hint == "Unpack it and give its images."


def test_large_files_are_verified_in_bounded_memory(ours: bytes, tmp_path: Path) -> None:
    """An image of ours with 200 MB behind it, zeros alone, and a file that is too large."""
    behind, zeros, larger = tmp_path / "behind.png", tmp_path / "zeros.png", tmp_path / "larger.png"
    behind.write_bytes(ours)
    for path, megabytes in ((behind, 200), (zeros, 200), (larger, MAX_MEGABYTES + 1)):
        with path.open("ab") as stream:
            stream.truncate(megabytes * 2**20)  # sparse: takes no room on the disk
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert verify_file(behind).conclusion == "altered"
    with pytest.raises(ProvenanceError, match="not an image"):
        verify_file(zeros)
    with pytest.raises(ProvenanceError, match="501 MB; at most 500 MB"):
        verify_file(larger)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # kB
    assert grown < 500 * 1024


def test_each_layer_can_be_off() -> None:
    image = GeneratedImage(3, 7, rough(), 0.5)
    for layers, conclusion in (
        (frozenset(), "claimed"),  # the text chunks alone
        (frozenset({"c2pa"}), "own"),
        (frozenset({"watermark"}), "watermarked"),
    ):
        result = verification_of(png_bytes(image, MODEL, ProvenanceConfig(layers)))
        assert result.conclusion == conclusion
        assert result.xmp is None


def test_a_png_with_a_huge_size_is_not_decoded() -> None:
    content = encode_png(watermarked(rough()))
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    result = verification_of(content[:8] + chunk(b"IHDR", header) + content[33:])
    assert result.watermark is None
    assert "megapixels" in result.watermark_skipped


@pytest.mark.parametrize("limit", [None, 100])
def test_the_limit_of_pillow_in_this_process_does_not_matter(
    ours: bytes, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert verification_of(ours).conclusion == "own"
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    result = verification_of(ours[:8] + chunk(b"IHDR", header) + ours[33:])
    assert "50000x50000" in result.watermark_skipped
    assert result.xmp is not None  # what the file says is reported, whatever its size
    assert limit == Image.MAX_IMAGE_PIXELS


def test_damaged_pixels_and_manifests_are_reported(ours: bytes) -> None:
    cut = verification_of(unsigned(ours)[:-30_000])
    assert (cut.watermark, cut.watermark_skipped) == (None, "the pixels are damaged")
    start = ours.index(b"caBX")
    (length,) = struct.unpack_from(">I", ours, start - 4)
    broken = b"caBX" + bytes(length)
    content = ours[:start] + broken + struct.pack(">I", zlib.crc32(broken)) + ours[start + 8 + length :]
    assert verification_of(content).conclusion in ("altered", "watermarked")
    assert verification_of(content).conclusion != "own"


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
