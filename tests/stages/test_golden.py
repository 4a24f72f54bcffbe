"""Golden outputs: what each stage makes of a tiny input, beside the code version that made it.

If an output changes, artifacts made before are not what the stage would make now, so its code version must be
raised. `PALM_GOLDEN=write pytest tests/stages/test_golden.py` then writes the new outputs into `golden.json`.
Bytes are compared where no floating-point computation is involved, else numbers with a tolerance that
differences between processors do not exceed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from palm_assets.crops.config import CropConfig
from palm_assets.detector.config import DetectorConfig
from palm_assets.detector.detection import DETECTOR_FILE, Detection
from palm_assets.evaluation.config import EvaluationConfig
from palm_assets.gan.checkpoint import GENERATOR_FILE
from palm_assets.gan.config import GanConfig
from palm_assets.gan.sampler import load_model
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.reference_files import load_reference
from palm_assets.sources.config import BoxesConfig, PhotosConfig
from palm_assets.stages.boxes import make_boxes
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.crops import make_crops
from palm_assets.stages.detector import make_detector
from palm_assets.stages.evaluation import make_evaluation
from palm_assets.stages.model import make_model
from palm_assets.stages.photos import make_photos
from palm_assets.stages.reference import make_reference
from palm_assets.store.artifacts import Artifact, Kind, Store
from tests.helpers import save_picture
from tests.models import SMALL, fill_with_model

GOLDEN_FILE = Path(__file__).with_name("golden.json")
TOLERANCE = 0.003  # relative, of numbers that floating-point computations gave

Output = Mapping[str, str | float]


def check(kind: Kind, part: str, output: Output) -> None:
    """Compare an output with the golden one of its stage's code version."""
    golden = json.loads(GOLDEN_FILE.read_text(encoding="utf-8"))
    code_version = CODE_VERSIONS[kind]
    if os.environ.get("PALM_GOLDEN") == "write":
        golden[part] = {"code_version": code_version, "output": output}
        GOLDEN_FILE.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    expected = golden[part]
    changed = _differences(expected["output"], output)
    if expected["code_version"] != code_version:
        pytest.fail(
            f"The code version of {kind} was raised from {expected['code_version']} to {code_version}. "
            "Write the outputs of the new one: PALM_GOLDEN=write pytest tests/stages/test_golden.py"
        )
    if changed:
        pytest.fail(
            f"Stage {kind} makes something else than before from the same input ({'; '.join(changed)}). "
            f"Raise its code version, {code_version}, in palm_assets/stages/code_versions.py."
        )


def _differences(expected: Output, output: Output) -> list[str]:
    if set(expected) != set(output):
        return [f"parts {sorted(output)} instead of {sorted(expected)}"]
    found = []
    for name, value in output.items():
        before = expected[name]
        same = value == (before if isinstance(value, str) else pytest.approx(before, rel=TOLERANCE, abs=1e-6))
        if not same:
            found.append(f"{name} {value} instead of {before}")
    return found


def sha256_of_files(folder: Path, *names: str) -> dict[str, str | float]:
    """Hashes of files; line ends of CSV files do not count."""
    contents = {name: (folder / name).read_bytes().replace(b"\r\n", b"\n") for name in names}
    return {name: hashlib.sha256(content).hexdigest()[:16] for name, content in contents.items()}


def pixels(number: int, width: int = 48, height: int = 40) -> np.ndarray:
    """An image by integer arithmetic, the same everywhere: stripes whose colors depend on the number."""
    y, x = np.mgrid[:height, :width]
    channels = [
        (x * (3 + number) + y * 5) % 256,
        (x * 7 + y * (2 + number)) % 256,
        (x * y + 40 * number) % 256,
    ]
    return np.stack(channels, axis=2).astype(np.uint8)


class FakeDetector:
    """Finds a palm at a place that depends on the photograph's first pixel; on some it finds none."""

    def detect(self, photos: list[np.ndarray], *, min_confidence: float) -> list[Detection | None]:
        found: list[Detection | None] = []
        for photo in photos:
            mark = int(photo[0, 0, 2])
            box = (4.0 + mark % 7, 3.0 + mark % 5, 30.0 + mark % 11, 27.0 + mark % 9)
            found.append(None if mark == 0 else Detection(box, 0.5 + mark / 1000))
        return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("golden") / "home")


@pytest.fixture(scope="module")
def photos(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    root = tmp_path_factory.mktemp("photos")
    for person in range(12):
        for number in range(4):
            save_picture(root / f"person{person:02d}" / f"{number}.png", pixels(4 * person + number))
    save_picture(root / "person00" / "copy.png", pixels(0))
    (root / "person01" / "broken.jpg").write_bytes(b"text")
    return make_photos(store, PhotosConfig(source="folder", folder=str(root)))


@pytest.fixture(scope="module")
def boxes(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    root = tmp_path_factory.mktemp("boxes")
    for number in range(20):
        save_picture(root / "train" / "images" / f"{number:02d}.png", pixels(number, 64, 64))
        label = root / "train" / "labels" / f"{number:02d}.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text("" if number % 5 == 4 else f"0 0.5 0.5 0.{3 + number % 4} 0.6\n")
    (root / "data.yaml").write_text("train: train/images\nnames: [palm]\n")
    return make_boxes(store, BoxesConfig(source="folder", folder=str(root)))


@pytest.fixture(scope="module")
def crops(store: Store, photos: Artifact) -> Artifact:
    detector = store.make(
        "detector", lambda folder: {}, inputs={}, config=DetectorConfig(), code_version="fake"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("palm_assets.detector.detection.load_detector", lambda folder: FakeDetector())
        return make_crops(store, photos, detector, CropConfig(image_size=16))


@pytest.fixture(scope="module")
def reference(store: Store, crops: Artifact) -> Artifact:
    config = ReferenceConfig(extractor="efficientnet-lite0", floor_counts=[4, 8], floor_repeats=2)
    return make_reference(store, crops, config)


def test_photos(photos: Artifact) -> None:
    check("photos", "photos", sha256_of_files(photos.folder, "photos.csv", "set_aside.csv"))


def test_rendered_photos(store: Store) -> None:
    config = PhotosConfig(synthetic_photos=20, synthetic_people=4, synthetic_size=64)
    made = make_photos(store, config)
    images = sorted((made.folder / "synthetic").rglob("*.jpg"))[:4]
    means = {f"mean of image {n}": float(np.mean(Image.open(path))) for n, path in enumerate(images)}
    check("photos", "rendered photos", {"images": len(made.facts["aspects"]), **means})


def test_boxes(boxes: Artifact) -> None:
    check("boxes", "boxes", sha256_of_files(boxes.folder, "boxes.json", "set_aside.csv"))


def test_crops(crops: Artifact) -> None:
    names = ("crops.csv", "without_palm.csv", "crops.npy")
    check("crops", "crops", sha256_of_files(crops.folder, *names))


@pytest.mark.slow
def test_detector(store: Store, boxes: Artifact) -> None:
    made = make_detector(store, boxes, DetectorConfig(epochs=1, image_size=64, batch=8))
    weights = load_file(made.folder / DETECTOR_FILE)
    means = {name: value for name, value in weights.items() if name.endswith("running_mean")}
    check("detector", "detector", {**magnitudes(weights), "activations": magnitudes(means)["mean magnitude"]})


def test_model(store: Store, crops: Artifact) -> None:
    config = GanConfig(
        image_size=16,
        latent=8,
        generator_width=8,
        discriminator_width=8,
        batch=8,
        kimg=0.096,
        snapshot_kimg=0.096,
        device="cpu",
        precision="float32",
    )
    made = make_model(store, crops, config)
    model = load_model(made.folder, "")
    samples = model.generate(model.latents(0, range(8)))
    output = magnitudes(load_file(made.folder / GENERATOR_FILE))
    check("models", "model", {**output, "mean of samples": float(samples.mean())})


def test_reference(reference: Artifact) -> None:
    loaded = load_reference(reference.folder)
    output: dict[str, str | float] = {
        "n": loaded.n,
        "norm of the mean": float(np.linalg.norm(loaded.mean)),
        "trace": float(np.trace(loaded.cov)),
        "nearest neighbors": float(np.mean(loaded.neighbor_distances)),
    }
    for row in loaded.floor:
        output[f"floor at {row.n}"] = float(row.frechet)
    check("reference", "reference", output)


def test_evaluation(store: Store, crops: Artifact, reference: Artifact) -> None:
    def build(folder: Path) -> dict[str, Any]:
        fill_with_model(folder, 0, SMALL)
        return {"image_size": SMALL.image_size}

    model = store.make("models", build, inputs={"crops": crops.version}, config=SMALL, code_version="fake")
    made = make_evaluation(store, model, reference, crops, EvaluationConfig(count=8, sets=2))
    names = ("n", "frechet", "auth_pct")  # density and coverage jump by whole images
    check("evaluations", "evaluation", {name: float(made.facts[name]) for name in names})


@pytest.mark.parametrize(
    ("code_version", "output", "hint"),
    [
        (CODE_VERSIONS["crops"], {"crops.npy": "changed", "size": 1.0}, "Raise its code version"),
        (CODE_VERSIONS["crops"], {"crops.npy": "same", "size": 1.01}, "Raise its code version"),
        (CODE_VERSIONS["crops"], {"crops.npy": "same"}, "Raise its code version"),
        ("an older one", {"crops.npy": "same", "size": 1.0}, "Write the outputs"),
        (CODE_VERSIONS["crops"], {"crops.npy": "same", "size": 1.001}, ""),
    ],
)
def test_a_changed_output_asks_for_another_code_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code_version: str, output: Output, hint: str
) -> None:
    monkeypatch.delenv("PALM_GOLDEN", raising=False)
    monkeypatch.setattr("tests.stages.test_golden.GOLDEN_FILE", tmp_path / "golden.json")
    before = {"code_version": code_version, "output": {"crops.npy": "same", "size": 1.0}}
    (tmp_path / "golden.json").write_text(json.dumps({"crops": before}))
    if not hint:
        check("crops", "crops", output)
        return
    with pytest.raises(pytest.fail.Exception, match=hint):
        check("crops", "crops", output)


def magnitudes(weights: Mapping[str, np.ndarray]) -> dict[str, str | float]:
    """Number and mean magnitude of all weights."""
    values = [
        np.abs(value.astype(np.float64)).ravel() for value in weights.values() if value.dtype.kind == "f"
    ]
    joined = np.concatenate(values)
    return {"weights": len(joined), "mean magnitude": float(joined.mean())}
