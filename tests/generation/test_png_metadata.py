from __future__ import annotations

import random
import struct
import zlib

import pytest

from app.origin import HEAD, SIGNATURE, Origin, read_origin
from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.archives import png_bytes
from palm_assets.generation.generate import Request, generate

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


def test_a_palm_made_by_the_library_is_recognized_and_made_again(model: PalmModel) -> None:
    palm = list(generate(model, Request(10, 7, 0.35)))[4]
    origin = read_origin(png_bytes(palm, model))
    assert origin is not None
    assert (origin.seed, origin.index, origin.model) == (7, 4, model.version)
    (again,) = generate(model, origin.request)
    assert (again.image == palm.image).all()


def test_our_notes_stand_in_the_part_of_the_file_that_is_read(model: PalmModel) -> None:
    (palm,) = generate(model, Request(1, 2**53))
    assert png_bytes(palm, model).index(b"IDAT") < HEAD


def test_a_note_is_read() -> None:
    assert read_origin(png(GOOD)) == Origin(7, 3, "0123abcd", 0.5, 1.0)


@pytest.mark.parametrize(
    ("name", "lie"),
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
    ],
)
def test_a_note_that_lies_about_its_form_is_not_believed(name: str, lie: str) -> None:
    assert read_origin(png({**GOOD, name: lie})) is None


def test_steps_from_a_palm_are_read() -> None:
    assert read_origin(png({**GOOD, "palms:steps": "3.12"})) == Origin(7, 3, "0123abcd", 0.5, 1.0, (3, 12))


def test_the_starter_is_a_model_like_others() -> None:
    origin = read_origin(png({**GOOD, "palms:model": "starter-0123abcd"}))
    assert origin is not None
    assert origin.model == "starter-0123abcd"


@pytest.mark.parametrize("name", GOOD)
def test_a_note_with_a_part_missing_is_none(name: str) -> None:
    assert read_origin(png({key: value for key, value in GOOD.items() if key != name})) is None


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
        png(GOOD, before=chunk(b"zTXt", bytes(HEAD))),
    ],
)
def test_anything_else_is_none_and_no_error(content: bytes) -> None:
    assert read_origin(content) is None


def test_no_damage_makes_it_fall_over() -> None:
    dice = random.Random(0)
    whole = png(GOOD)
    for _ in range(3000):
        damaged = bytearray(whole[: dice.randrange(len(whole) + 1)])
        for _ in range(dice.randrange(4)):
            if damaged:
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        read_origin(bytes(damaged))
