"""The front door: `import palm_assets`, light, typed, and complete for a script or a notebook."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import palm_assets
from palm_assets.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    CheckpointError,
    QualityError,
    RequestError,
)
from palm_assets.gan.sampler import PalmModel
from palm_assets.quality.config import ReferenceConfig
from palm_assets.quality.reference_builder import build_reference
from palm_assets.quality.reference_files import load_reference, save_reference
from palm_assets.store.artifacts import Artifact, Store

ROOT = Path(__file__).parent.parent
STARTER = ROOT / "palm_assets" / "starter"
Publish = Callable[..., Artifact]
Release = Callable[[Artifact], None]


@pytest.fixture(autouse=True)
def home(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Store()` is the test's store."""
    monkeypatch.setenv("PALM_HOME", str(store.home))


@pytest.fixture
def reference(store: Store) -> Artifact:
    """A reference of noise."""
    images = np.random.default_rng(0).integers(0, 256, (48, 3, 16, 16), np.uint8)

    def build(folder: Path) -> dict[str, object]:
        config = ReferenceConfig(extractor="efficientnet-lite0", floor_counts=[4, 8], floor_repeats=2)
        save_reference(build_reference(images[:32], images[32:], config), folder)
        return {}

    return store.make("reference", build, inputs={}, config=ReferenceConfig(), code_version="1")


@pytest.fixture
def images() -> np.ndarray:
    """Six images of noise, uint8 (6, 3, 16, 16)."""
    return np.random.default_rng(1).integers(0, 256, (6, 3, 16, 16), np.uint8)


@pytest.fixture
def folder(images: np.ndarray, tmp_path: Path) -> Path:
    """The same images as PNGs."""
    path = tmp_path / "images"
    path.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(path / f"{number}.png")
    return path


# Import


def test_the_import_alone_is_light() -> None:
    heavy = {"torch", "numpy", "scipy", "PIL", "pydantic", "click", "importlib.metadata"}
    code = f"import sys, palm_assets; dir(palm_assets); print({heavy!r} & {{*sys.modules}})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_every_public_name_is_there_and_others_are_not() -> None:
    assert set(palm_assets.__all__) <= set(dir(palm_assets))
    assert all(callable(getattr(palm_assets, name)) for name in palm_assets.__all__)
    with pytest.raises(AttributeError, match="no attribute 'load_models'"):
        _ = palm_assets.load_models  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        from palm_assets import nothing  # type: ignore[attr-defined] # noqa: F401


@pytest.mark.slow
def test_type_checkers_see_the_real_types(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import palm_assets\n"
        "model = palm_assets.load_model()\n"
        "reveal_type(model)\n"
        "reveal_type(palm_assets.evaluate('folder'))\n"
        "palm_assets.load_models()\n"
        "model.sample('many')\n"
    )
    command = [sys.executable, "-m", "mypy", str(script)]  # by the project's options, so with its cache
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    ).stdout
    assert 'Revealed type is "palm_assets.gan.sampler.PalmModel"' in found
    assert 'Revealed type is "palm_assets.quality.set_metrics.SetMetrics"' in found
    assert 'Module has no attribute "load_models"' in found
    assert 'expected "int"' in found
    assert (ROOT / "palm_assets" / "py.typed").is_file()


# load_model and sample


def test_load_model_opens_the_released_model(publish_model: Publish, release: Release) -> None:
    artifact = publish_model(1)
    publish_model(2)
    release(artifact)
    assert palm_assets.load_model().version == artifact.version


def test_load_model_opens_a_version_of_any_store(
    publish_model: Publish, store: Store, tmp_path: Path
) -> None:
    version = publish_model(3).version
    assert palm_assets.load_model(version).version == version
    assert palm_assets.load_model(version, store=store).version == version
    assert palm_assets.load_model(version, store=store.home).version == version
    with pytest.raises(ArtifactMissingError):
        palm_assets.load_model(version, store=tmp_path / "another")


def test_load_model_opens_a_folder(publish_model: Publish, tmp_path: Path) -> None:
    artifact = publish_model(4)
    for folder in (artifact.folder, str(artifact.folder)):
        assert palm_assets.load_model(folder).version == artifact.version
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "generator.safetensors", "discriminator.safetensors"):
        (bare / name).write_bytes((artifact.folder / name).read_bytes())
    model = palm_assets.load_model(bare)
    assert model.version == "bare"
    assert (model.sample(2, seed=1) == palm_assets.load_model(artifact.version).sample(2, seed=1)).all()


def test_load_model_refuses_what_is_damaged_or_missing(publish_model: Publish, tmp_path: Path) -> None:
    artifact = publish_model(5)
    (artifact.folder / "generator.safetensors").write_bytes(b"damaged")
    with pytest.raises(ArtifactCorruptError):
        palm_assets.load_model(artifact.folder)
    with pytest.raises(CheckpointError):
        palm_assets.load_model(tmp_path / "nowhere")
    with pytest.raises(ArtifactMissingError):
        palm_assets.load_model("0123456789ab")


@pytest.mark.skipif(not STARTER.is_dir(), reason="a copy without the starter model")
def test_load_model_opens_the_starter_until_a_model_is_released(
    store: Store, publish_model: Publish, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PALM_STARTER")
    starter = palm_assets.load_model()
    assert starter.version.startswith("starter-")
    assert palm_assets.load_model("starter").version == starter.version
    released = publish_model(1)
    release(released)
    assert palm_assets.load_model().version == released.version
    assert palm_assets.load_model(starter.version).version == starter.version
    with pytest.raises(ArtifactMissingError, match="No model named starter-0"):
        palm_assets.load_model("starter-0123456789ab")


def test_every_listed_model_is_loaded_by_its_name(
    store: Store, publish_model: Publish, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = shutil.copytree(publish_model(9).folder, tmp_path / "my_starter")
    monkeypatch.setenv("PALM_STARTER", str(starter))
    release(publish_model(1))
    choices = palm_assets.list_models()
    assert [choice.is_starter for choice in choices] == [False, True]
    assert [palm_assets.load_model(choice.name).version for choice in choices] == [
        choice.version for choice in choices
    ]
    assert [choice.name for choice in palm_assets.list_models(tmp_path / "another")] == ["starter"]


def test_sample_returns_images_of_the_set_with_this_seed(model: PalmModel) -> None:
    images = model.sample(5, seed=7)
    assert (images.shape, images.dtype) == ((5, 3, 16, 16), np.uint8)
    assert (images == model.generate(model.latents(7, range(5)))).all()
    assert (model.sample(2, seed=7, start=3) == images[3:]).all()
    assert (model.sample(2, seed=7, truncation=0.5) != images[:2]).any()
    assert model.sample(0).shape == (0, 3, 16, 16)


@pytest.mark.parametrize(
    "wrong", [{"count": -1}, {"start": -1}, {"seed": -1}, {"truncation": 0}, {"truncation": 1.5}]
)
def test_sample_refuses_values_out_of_range(model: PalmModel, wrong: dict[str, float]) -> None:
    with pytest.raises(RequestError):
        model.sample(**{"count": 1, **wrong})  # type: ignore[arg-type]


def test_generate_yields_the_same_images_with_scores(model: PalmModel) -> None:
    request = palm_assets.GenerationRequest(count=3, seed=7)
    generated = list(palm_assets.generate(model, request))
    assert (np.stack([image.image for image in generated]) == model.sample(3, seed=7)).all()
    assert all(0 <= image.score <= 1 for image in generated)


# evaluate


def test_evaluate_takes_an_array_a_folder_and_a_zip(
    images: np.ndarray,
    folder: Path,
    tmp_path: Path,
    store: Store,
    publish_model: Publish,
    reference: Artifact,
) -> None:
    store.release(publish_model(), reference)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    found = [palm_assets.evaluate(what) for what in (images, folder, str(folder), tmp_path / "images.zip")]
    assert {metrics.n for metrics in found} == {6}
    assert len({metrics.frechet for metrics in found}) == 1
    assert found[0].floor is not None


def test_evaluate_takes_a_reference_a_folder_of_one_and_a_version(
    images: np.ndarray, store: Store, reference: Artifact, tmp_path: Path
) -> None:
    loaded = load_reference(reference.folder)
    found = [
        palm_assets.evaluate(images, what)
        for what in (loaded, reference.folder, str(reference.folder), reference.version)
    ]
    found.append(palm_assets.evaluate(images, reference.version, store=store.home))
    assert len({metrics.frechet for metrics in found}) == 1
    with pytest.raises(ArtifactMissingError):
        palm_assets.evaluate(images, reference.version, store=tmp_path / "another")


def test_evaluate_remembers_that_a_set_was_filtered(
    model: PalmModel, reference: Artifact, tmp_path: Path
) -> None:
    from palm_assets.generation.archives import write_folder

    request = palm_assets.GenerationRequest(count=3, seed=7, min_score=0.01)
    write_folder(tmp_path / "palms", palm_assets.generate(model, request), model)
    assert palm_assets.evaluate(tmp_path / "palms", reference.folder).min_score == 0.01


def test_evaluate_without_a_reference_says_what_to_do(images: np.ndarray) -> None:
    with pytest.raises(ArtifactMissingError, match="make pipeline") as raised:
        palm_assets.evaluate(images)
    assert "starter model" in str(raised.value)


def test_evaluate_refuses_what_holds_no_images(
    reference: Artifact, tmp_path: Path, images: np.ndarray
) -> None:
    (tmp_path / "empty").mkdir()
    for what in (tmp_path / "empty", tmp_path / "nowhere", images[:1]):
        with pytest.raises(QualityError):
            palm_assets.evaluate(what, reference.folder)


def test_windows_is_refused_at_the_door_with_what_to_do() -> None:
    code = "import pathlib, sys; sys.platform = 'win32'; import palm_assets"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "UnsupportedSystemError" in run.stderr.splitlines()[-1]
    assert "WSL" in run.stderr.splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_linux_without_proc_is_refused_at_the_door_with_what_to_do() -> None:
    code = (
        "import os.path; exists = os.path.exists\n"
        "os.path.exists = lambda path: path != '/proc/cpuinfo' and exists(path)\n"
        "import palm_assets"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "UnsupportedSystemError" in run.stderr.splitlines()[-1]
    assert "mount -t proc" in run.stderr.splitlines()[-1]
