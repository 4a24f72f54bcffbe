"""The rule for latents from seeds: PyTorch's, a table, and the page's JavaScript agree."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from palm_assets.export import web_page
from palm_assets.gan.hand_labels import HandLabels
from palm_assets.gan.label_vectors import encode_all
from palm_assets.gan.sampler import load_model
from tests.models import SMALL, fill_with_model

WEB = Path(web_page.__file__).parent / "web"
TABLE: dict[str, list[float]] = json.loads(Path(__file__).with_name("latents.json").read_text())
TOLERANCE = 2e-6  # PyTorch's vector instructions round differently


def pytorch(seed: int, size: int) -> np.ndarray:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)).numpy()


def test_the_table_is_what_pytorch_computes() -> None:
    assert len(TABLE) == 20
    for seed, values in TABLE.items():
        np.testing.assert_allclose(pytorch(int(seed), len(values)), values, atol=TOLERANCE, rtol=0)


def node(script: str) -> str:
    """Output of a module run by Node.js."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node.js is not installed (Debian's nodejs); the browser's tests check the same table")
    command = [found, "--input-type=module", "-e", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("size", [2, 3, 8, 15, 16, 17, 20, 96, 500])
def test_javascript_computes_the_same_latents(size: int) -> None:
    """Sizes on both sides of 16, where the algorithm changes, and with a rest after blocks of 16."""
    script = f"""
        import {{ latentOf }} from {json.dumps(str(WEB / "latents.js"))};
        const seeds = {json.dumps(list(map(int, TABLE)))};
        console.log(JSON.stringify(seeds.map((seed) => Array.from(latentOf(seed, {size})))));
    """
    rows = json.loads(node(script))
    for seed, row in zip(TABLE, rows, strict=True):
        np.testing.assert_allclose(row, pytorch(int(seed), size), atol=TOLERANCE, rtol=0)
        if size == 20:
            np.testing.assert_allclose(row, TABLE[seed], atol=TOLERANCE, rtol=0)


def test_truncation_scales_the_latent() -> None:
    script = f"""
        import {{ latentOf }} from {json.dumps(str(WEB / "latents.js"))};
        console.log(JSON.stringify(Array.from(latentOf(7, 20, 0.3))));
    """
    expected = np.float32(0.3) * pytorch(7, 20)
    np.testing.assert_allclose(json.loads(node(script)), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("labels", [["aspect"], ["skin"], ["aspect", "side", "skin"], ["aspect", "skin"]])
def test_javascript_chooses_the_same_labels(tmp_path: Path, labels: list[str]) -> None:
    """What is left open is drawn from the seed, behind the latent; the image may be mirrored."""
    networks = SMALL.model_copy(update={"labels": labels, "latent": 8 if len(labels) > 1 else 20})
    fill_with_model(tmp_path, 0, networks)
    model = load_model(tmp_path, "labels")
    shares = model.generator.get_buffer("label_shares")
    shares.copy_(torch.rand(len(shares), generator=torch.Generator().manual_seed(3)))
    seeds = list(range(60))
    asked = [{}, {"aspect": "back"}, {"aspect": "palm", "side": "left"}, {"skin": "dark"}]
    usable = [wanted for wanted in asked if set(wanted) <= set(labels)]
    script = f"""
        import {{ complete, encode, isMirrored }} from {json.dumps(str(WEB / "hands.js"))};
        import {{ latentOf, MersenneTwister, uniforms }} from {json.dumps(str(WEB / "latents.js"))};
        const labels = {json.dumps(labels)}, shares = {json.dumps(shares.tolist())};
        const rows = {json.dumps(usable)}.map((asked) => {json.dumps(seeds)}.map((seed) => {{
          const random = new MersenneTwister(seed);
          latentOf(seed, {networks.latent}, 1, random);
          const hand = complete(labels, asked, shares, uniforms(random, 3));
          return [hand, Array.from(encode(labels, hand)), isMirrored(labels, hand)];
        }}));
        console.log(JSON.stringify(rows));
    """
    for wanted, row in zip(usable, json.loads(node(script)), strict=True):
        hands = [model.hands(seed, [0], HandLabels(**wanted))[0] for seed in seeds]
        assert [found for found, _, _ in row] == [dict(hand.items()) for hand in hands]
        assert [vector for _, vector, _ in row] == encode_all(labels, hands).tolist()
        expected = ["side" in labels and hand.thumb_left for hand in hands]
        assert [mirrored for _, _, mirrored in row] == expected
        assert len({json.dumps(found) for found, _, _ in row}) > 1 or len(labels) == len(wanted)


def test_both_languages_of_the_page_have_the_same_texts() -> None:
    script = f"""
        import {{ TEXTS, languageOf }} from {json.dumps(str(WEB / "texts.js"))};
        const kinds = (texts) => Object.entries(texts).map(([key, text]) => [key, typeof text]);
        const plurals = [1, 2, 5, 11, 21, 22, 112].map((n) => TEXTS.ru.finished(n, 7).split(" ")[1]);
        const chosen = [
          languageOf("ru", ["en-GB"]), languageOf("xx", ["de", "ru-RU", "en"]), languageOf(null, ["de"]),
        ];
        console.log(JSON.stringify([kinds(TEXTS.en), kinds(TEXTS.ru), plurals, chosen]));
    """
    english, russian, plurals, chosen = json.loads(node(script))
    assert english == russian
    assert plurals == ["ладонь,", "ладони,", "ладоней,", "ладоней,", "ладонь,", "ладони,", "ладоней,"]
    assert chosen == ["ru", "ru", "en"]
