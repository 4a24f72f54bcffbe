from __future__ import annotations

import random
import struct
import zlib

import numpy as np
import pytest

from palm_assets.gan.sampler import PalmModel, load_model
from palm_assets.generation.generate import GenerationRequest, generate
from palm_assets.generation.png_metadata import (
    HEAD_BYTES,
    SIGNATURE,
    PngMetadata,
    encode_png,
    png_bytes,
    read_png_metadata,
    read_png_xmp,
)
from palm_assets.provenance.config import LAYERS, ProvenanceConfig
from palm_assets.provenance.xmp import STATIC_PAGE_TOOL, xmp_packet
from palm_assets.store.starter import STARTER

GOOD = {
    "palms:seed": "7",
    "palms:index": "3",
    "palms:model": "0123abcd",
    "palms:score": "0.5000",
    "palms:truncation": "1",
}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(texts: dict[str, str], before: bytes = b"") -> bytes:
    chunks = b"".join(chunk(b"tEXt", f"{key}\0{value}".encode("latin-1")) for key, value in texts.items())
    return (
        SIGNATURE + chunk(b"IHDR", bytes(13)) + before + chunks + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    )


def test_an_image_of_the_library_is_recognized_and_generated_again(model: PalmModel) -> None:
    palm = list(generate(model, GenerationRequest(10, 7, 0.35)))[4]
    metadata = read_png_metadata(png_bytes(palm, model.version))
    assert metadata is not None
    assert (metadata.seed, metadata.index, metadata.model) == (7, 4, model.version)
    (again,) = generate(model, metadata.request)
    assert (again.image == palm.image).all()


def test_all_metadata_stands_in_the_part_of_the_file_that_is_read(model: PalmModel) -> None:
    (palm,) = generate(model, GenerationRequest(1, 2**53))
    assert png_bytes(palm, model.version).index(b"IDAT") < HEAD_BYTES


def test_metadata_is_read() -> None:
    assert read_png_metadata(png(GOOD)) == PngMetadata(7, 3, "0123abcd", 0.5, 1.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("palms:seed", "-1"),
        ("palms:seed", "9" * 16),
        ("palms:seed", "9" * 400),
        ("palms:seed", "7\n"),
        ("palms:index", "9999999"),
        ("palms:model", "<script>"),
        ("palms:model", "../../etc"),
        ("palms:model", "**bold**"),
        ("palms:score", "1.5000"),
        ("palms:score", "nan"),
        ("palms:steps", "0"),
        ("palms:steps", "13"),
        ("palms:steps", "1."),
        ("palms:steps", "1" + ".1" * 40),
        ("palms:truncation", "0"),
        ("palms:truncation", "1e9"),
        ("palms:min_score", "1.5"),
        ("palms:min_score", "high"),
        ("palms:skin", "blue"),
        ("palms:side", "left hand"),
    ],
)
def test_a_value_of_another_form_is_refused(name: str, value: str) -> None:
    assert read_png_metadata(png({**GOOD, name: value})) is None


def test_the_steps_of_a_variation_are_read() -> None:
    assert read_png_metadata(png({**GOOD, "palms:steps": "3.12"})) == PngMetadata(
        7, 3, "0123abcd", 0.5, 1.0, steps=(3, 12)
    )


def test_the_minimum_score_of_the_set_is_read() -> None:
    for text in ("0.25", "1e-05", "1"):
        metadata = read_png_metadata(png({**GOOD, "palms:min_score": text}))
        assert metadata == PngMetadata(7, 3, "0123abcd", 0.5, 1.0, min_score=float(text))


def test_a_tiny_truncation_is_read_as_it_is_written(model: PalmModel) -> None:
    (palm,) = generate(model, GenerationRequest(1, 7, 0.00001, 0.00001))
    metadata = read_png_metadata(png_bytes(palm, model.version))
    assert metadata is not None
    assert (metadata.truncation, metadata.min_score) == (0.00001, 0.00001)


def test_the_starter_is_a_model_like_others() -> None:
    metadata = read_png_metadata(png({**GOOD, "palms:model": "starter-0123abcd"}))
    assert metadata is not None
    assert metadata.model == "starter-0123abcd"


@pytest.mark.parametrize("name", GOOD)
def test_metadata_with_a_part_missing_is_none(name: str) -> None:
    assert read_png_metadata(png({key: value for key, value in GOOD.items() if key != name})) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        SIGNATURE,
        SIGNATURE + b"\xff" * 40,
        b"<svg onload='alert(1)'/>",
        SIGNATURE + struct.pack(">I4s", 2**32 - 1, b"tEXt") + b"palms:seed\x007",
        png(GOOD)[:60],
        png(GOOD).replace(b"0123abcd", b"0123abce"),  # its checksum no longer fits
        SIGNATURE + chunk(b"IDAT", b"x") + png(GOOD)[len(SIGNATURE) :],
        png(GOOD, before=chunk(b"zTXt", bytes(HEAD_BYTES))),
    ],
)
def test_anything_else_is_none_and_no_error(content: bytes) -> None:
    assert read_png_metadata(content) is None


def test_no_damage_raises() -> None:
    dice = random.Random(0)
    whole = png(GOOD)
    for _ in range(3000):
        damaged = bytearray(whole[: dice.randrange(len(whole) + 1)])
        for _ in range(dice.randrange(4)):
            if damaged:
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        read_png_metadata(bytes(damaged))


def test_the_xmp_of_a_png_is_read_from_its_head() -> None:
    packet = xmp_packet("0123abcd", 7, STATIC_PAGE_TOOL)
    content = encode_png(np.zeros((3, 64, 64), np.uint8), xmp=packet)
    claims = read_png_xmp(content)
    assert claims is not None
    assert (claims.model, claims.seed, claims.is_of_static_page) == ("0123abcd", "7", True)
    assert read_png_xmp(encode_png(np.zeros((3, 64, 64), np.uint8))) is None
    keyword = b"XML:com.adobe.xmp\0"
    for text in (
        keyword + b"\1\0\0\0" + packet.encode(),  # says that it is compressed
        b"XML:com.other\0" + bytes(4) + packet.encode(),
        keyword + bytes(4) + b"<!DOCTYPE a>" + packet.encode(),
    ):
        assert read_png_xmp(content[:33] + chunk(b"iTXt", text)) is None


@pytest.mark.skipif(not STARTER.is_dir(), reason="a copy without the starter model")
def test_all_marks_together_take_less_than_four_kilobytes() -> None:
    """At 256 px, with a self-made certificate; see docs/provenance.md."""
    model = load_model(STARTER, "starter-0123456789ab")
    for image in generate(model, GenerationRequest(4, 7)):
        configs = [ProvenanceConfig(frozenset(layers)) for layers in (LAYERS, ())]
        marked, plain = (len(png_bytes(image, model.version, config)) for config in configs)
        assert 3000 < marked - plain <= 4096
