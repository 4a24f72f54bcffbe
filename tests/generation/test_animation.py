from __future__ import annotations

import io

import av
import numpy as np
import pytest
from PIL import Image

from palm_assets.gan.sampler import PalmModel
from palm_assets.generation.animation import animated_gif, animated_mp4
from palm_assets.generation.interpolation import FRAME_COUNT, FRAME_MILLISECONDS, interpolate_chunks


@pytest.fixture
def frames() -> list[np.ndarray]:
    """A bright square that moves over a soft background, uint8 (3, 64, 64) each."""
    ramp = np.linspace(60, 160, 64).astype(np.uint8)
    frames = [np.broadcast_to(ramp, (3, 64, 64)).copy() for _ in range(12)]
    for number, frame in enumerate(frames):
        frame[0, 20:44, 4 * number : 4 * number + 20] = 250
    return frames


def decoded(content: bytes) -> tuple[av.container.InputContainer, list[np.ndarray]]:
    container = av.open(io.BytesIO(content))
    return container, [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_video_plays_forwards_and_backwards_and_looks_like_its_frames(frames: list[np.ndarray]) -> None:
    container, pictures = decoded(animated_mp4(frames))
    stream = container.streams.video[0]
    assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
    assert (stream.width, stream.height) == (256, 256)
    assert len(pictures) == 2 * len(frames) - 2
    assert float(stream.average_rate) == pytest.approx(1000 / FRAME_MILLISECONDS)
    for shown, frame in ((pictures[0], frames[0]), (pictures[11], frames[11]), (pictures[-1], frames[1])):
        small = np.asarray(Image.fromarray(shown).resize((64, 64))).astype(int)
        assert np.abs(small - frame.transpose(1, 2, 0)).mean() < 6


def test_the_index_of_the_video_is_at_its_front(frames: list[np.ndarray]) -> None:
    content = animated_mp4(frames)
    assert content.index(b"moov") < content.index(b"mdat")


def test_equal_frames_give_equal_bytes(frames: list[np.ndarray]) -> None:
    assert animated_mp4(frames) == animated_mp4(frames)
    assert animated_gif(frames) == animated_gif(frames)


def test_the_video_says_that_it_is_generated(frames: list[np.ndarray]) -> None:
    assert decoded(animated_mp4(frames))[0].metadata["comment"] == "AI-generated"


def test_the_gif_plays_for_ever_with_one_palette(frames: list[np.ndarray]) -> None:
    with Image.open(io.BytesIO(animated_gif(frames))) as picture:
        assert picture.format == "GIF"
        assert picture.n_frames == 2 * len(frames) - 2
        assert picture.info["loop"] == 0
        assert picture.size == (256, 256)
        small = np.asarray(picture.convert("RGB").resize((64, 64))).astype(int)
    assert np.abs(small - frames[0].transpose(1, 2, 0)).mean() < 6


def test_a_morph_becomes_a_video(model: PalmModel) -> None:
    frames = [frame for chunk in interpolate_chunks(model, 7, 0, 1) for frame in chunk]
    assert len(decoded(animated_mp4(frames))[1]) == 2 * FRAME_COUNT - 2
