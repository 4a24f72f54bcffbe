"""Random interleavings of runs with different presets: what is released was made from one set of data.

A seeded scheduler steps two to four runs, asset by asset, over the real assets, stages, store and run tags.
Only the two trainings and the detection are replaced, by ones that take no time. `PALM_INTERLEAVINGS=500`
tries more.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from palm_assets.detector.detection import Detection
from palm_assets.errors import LineageError, PalmError, RefusedError
from palm_assets.image_grid import grid
from palm_assets.release.checks import LOAD_CHECK, CheckResult
from palm_assets.release.config import GateConfig
from palm_assets.release.retention import RetentionConfig
from palm_assets.stages.training_job import ModelJob, TrainingJob
from palm_assets.store.artifacts import Artifact, Store
from palm_assets.store.releases import read_history
from pipelines import assets
from pipelines.resources import StoreResource
from pipelines.run_inputs import RunInputs
from tests.models import fill_with_model
from tests.tiny import LENIENT

INTERLEAVINGS = int(os.environ.get("PALM_INTERLEAVINGS", "40"))
UPSTREAM = {
    "raw_hands": (),
    "raw_palm_boxes": (),
    "palm_detector": ("raw_palm_boxes",),
    "cropped_palms": ("raw_hands", "palm_detector"),
    "dcgan_checkpoint": ("cropped_palms",),
    "fid_reference": ("cropped_palms",),
    "palm_evaluation": ("dcgan_checkpoint", "fid_reference", "cropped_palms"),
    "palm_release": ("dcgan_checkpoint", "fid_reference", "palm_evaluation"),
}
TAIL = ("cropped_palms", "dcgan_checkpoint", "fid_reference", "palm_evaluation", "palm_release")
CHOICES: dict[str, Sequence[dict[str, Any]]] = {
    "raw_hands": [{"seed": 0}, {"seed": 1}],
    "raw_palm_boxes": [{}],
    "palm_detector": [{}],
    "cropped_palms": [{"seed": 0}, {"seed": 1}],
    "dcgan_checkpoint": [{"seed": 0}, {"seed": 1}],
    "fid_reference": [{}],
    "palm_evaluation": [{}],
    "palm_release": [{}],
}
SHARED: dict[str, dict[str, Any]] = {
    "raw_hands": {"synthetic_photos": 24, "synthetic_people": 8, "synthetic_size": 64},
    "raw_palm_boxes": {
        "synthetic_train": 10,
        "synthetic_valid": 5,
        "synthetic_test": 5,
        "synthetic_size": 64,
    },
    "cropped_palms": {"image_size": 16},
    "dcgan_checkpoint": {"image_size": 16, "latent": 8, "generator_width": 8, "discriminator_width": 8},
    "fid_reference": {"floor_repeats": 2, "floor_counts": [2, 4]},
    "palm_evaluation": {"count": 4, "sets": 2},
}


@dg.job
def run_of_assets() -> None:
    """Only its runs are needed, which hold tags."""


class Inputs(RunInputs):
    """Those of the program; a test replaces them by the pointers that it had before."""


class GlobalPointers(Inputs):
    """How artifacts were handed on before: by what any run made last."""

    def resolve(self, asset: str) -> Artifact:
        return self.store.current(asset)


@dataclass
class Run:
    """A run of some assets with a preset, stepped from outside."""

    home: Path
    inputs: RunInputs
    preset: dict[str, dict[str, Any]]
    waiting: list[str]
    error: BaseException | None = None
    whole: bool = field(init=False)

    def __post_init__(self) -> None:
        self.whole = set(self.waiting) == set(UPSTREAM)

    def ready(self) -> list[str]:
        return [name for name in self.waiting if not set(UPSTREAM[name]) & set(self.waiting)]

    def step(self, asset: str) -> None:
        """Materialize one asset as Dagster does: load its inputs, call it, hand its artifact over."""
        self.waiting.remove(asset)
        try:
            given: dict[str, Any] = {name: self.inputs.resolve(name) for name in UPSTREAM[asset]}
            store = StoreResource(home=str(self.home))
            if asset == "dcgan_checkpoint":
                given["retention"] = RetentionConfig()
            if asset == "palm_release":
                given["gate"] = GateConfig(**LENIENT)
            context = dg.build_asset_context(instance=self.inputs.instance, asset_config=self.preset[asset])
            result = getattr(assets, asset)(context, store=store, **given)
            if asset != "palm_release":
                self.inputs.hand_over(asset, result.value)
        except (dg.Failure, PalmError) as error:
            self.error = error.__cause__ or error
            self.waiting.clear()


def fake_runner(context: object) -> Callable[[TrainingJob], dict[str, Any]]:
    def run(job: TrainingJob) -> dict[str, Any]:
        if isinstance(job, ModelJob):
            fill_with_model(job.folder, job.config.seed, job.config.networks())
            for name in ("curves.png", "reliability.png"):
                grid(np.zeros((1, 3, 16, 16), np.uint8)).save(job.folder / name)
            return {"kimg": job.config.kimg, "image_size": job.config.image_size}
        grid(np.zeros((1, 3, 16, 16), np.uint8)).save(job.folder / "detections.png")
        return {"ap50": 1.0}

    return run


class MiddleDetector:
    """Finds a palm in the middle of every photograph."""

    def detect(self, photos: Sequence[np.ndarray], *, min_confidence: float) -> list[Detection | None]:
        return [Detection((16.0, 16.0, 48.0, 48.0), 0.9) for _ in photos]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assets, "subprocess_runner", fake_runner)
        patch.setattr("palm_assets.detector.detection.load_detector", lambda folder: MiddleDetector())
        loaded = CheckResult(LOAD_CHECK, True, "not tried")
        patch.setattr("palm_assets.release.gate.check_loading", lambda store, model: loaded)
        patch.setattr(assets, "refuse_run", lambda *run: None)
        patch.setattr(assets, "set_run_tags", lambda *run: True)
        yield tmp_path_factory.mktemp("interleavings") / "home"


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def random_runs(
    home: Path, instance: dg.DagsterInstance, dice: random.Random, inputs: type[Inputs]
) -> list[Run]:
    runs = []
    for _ in range(dice.randint(2, 4)):
        preset = {name: {**SHARED.get(name, {}), **dice.choice(choices)} for name, choices in CHOICES.items()}
        selected = list(UPSTREAM)
        if dice.random() < 0.4:  # as a person does who materializes some assets
            selected = [name for name in TAIL if dice.random() < 0.7] or ["palm_release"]
        dagster_run = instance.create_run_for_job(run_of_assets)
        runs.append(Run(home, inputs(Store(home), instance, dagster_run.run_id), preset, selected))
    return runs


def interleave(
    home: Path, instance: dg.DagsterInstance, seed: int, inputs: type[Inputs] = Inputs
) -> list[Run]:
    """Step the runs of a seed in an order that it determines, until all have ended."""
    for name in ("released.json", "releases.json"):
        (home / name).unlink(missing_ok=True)
    dice = random.Random(seed)
    runs = random_runs(home, instance, dice, inputs)
    while going_on := [run for run in runs if run.waiting]:
        run = dice.choice(going_on)
        run.step(dice.choice(run.ready()))
    return runs


def disagreements(home: Path) -> list[str]:
    """Releases whose model, reference, evaluation or split disagree."""
    store, found = Store(home), []
    evaluations = [manifest.inputs for manifest in store.manifests("evaluations")]
    for release in read_history(home):
        model, reference = (
            store.manifest("models", release.model),
            store.manifest("reference", release.reference),
        )
        if model.inputs["crops"] != reference.inputs["crops"]:
            found.append(f"model {release.model} and reference {release.reference} are of different crops")
        released = release.model, release.reference
        if released not in [(inputs["model"], inputs["reference"]) for inputs in evaluations]:
            found.append(f"model {release.model} was not measured against {release.reference}")
    return found


@pytest.mark.slow
def test_no_interleaving_of_runs_releases_what_does_not_belong_together(
    home: Path, instance: dg.DagsterInstance
) -> None:
    releases, whole, refused = 0, 0, 0
    for seed in range(INTERLEAVINGS):
        runs = interleave(home, instance, seed)
        assert disagreements(home) == [], f"seed {seed}"
        for run in runs:
            if run.whole:
                whole += 1
                assert run.error is None or isinstance(run.error, RefusedError), f"seed {seed}: {run.error}"
            refused += run.error is not None
        releases += len(read_history(home))
    print(f"{INTERLEAVINGS} interleavings: {whole} whole runs, {refused} refused, {releases} releases")
    assert releases > INTERLEAVINGS / 2


@pytest.mark.slow
def test_with_global_pointers_whole_runs_meet_artifacts_of_others(
    home: Path, instance: dg.DagsterInstance
) -> None:
    """The scheduler finds the fault that the tags prevent; the checks where artifacts meet still refuse."""
    refusals: list[BaseException] = []
    for seed in range(10):
        runs = interleave(home, instance, seed, GlobalPointers)
        assert disagreements(home) == []
        refusals += [run.error for run in runs if run.whole and run.error is not None]
    assert any(isinstance(refusal, LineageError) for refusal in refusals), refusals
