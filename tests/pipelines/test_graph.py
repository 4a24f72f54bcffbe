import base64
import contextlib
import io
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import psutil
import pytest
from PIL import Image

from palm_assets.gan.checkpoint import DISCRIMINATOR_FILE, GENERATOR_FILE
from palm_assets.gan.sampler import load_model
from palm_assets.gan.training_loop import STATE_FILE
from tests.pipelines.conftest import Graph, failures, reused_by_asset


def test_the_whole_graph_ends_with_a_released_model(made: Graph) -> None:
    release = made.store.released("synthetic")
    assert release is not None
    model = load_model(made.store.open("models", release.model).folder, release.model)
    assert model.generate(model.latents(0, range(3))).shape == (3, 3, 16, 16)
    assert release.reference == made.versions()["fid_reference"]


def test_every_artifact_names_its_inputs(made: Graph) -> None:
    versions = made.versions()
    inputs = {name: made.store.current(name).manifest.inputs for name in versions}
    assert inputs["cropped_palms"] == {"photos": versions["raw_hands"], "detector": versions["palm_detector"]}
    assert inputs["dcgan_checkpoint"] == {"crops": versions["cropped_palms"]}
    assert inputs["fid_reference"]["crops"] == versions["cropped_palms"]
    assert set(inputs["fid_reference"]) == {"crops", "extractor", "precision"}
    model, reference = versions["dcgan_checkpoint"], versions["fid_reference"]
    model_files = made.store.current("dcgan_checkpoint").manifest.content
    reference_files = made.store.current("fid_reference").manifest.content
    assert inputs["palm_evaluation"] == {
        "model": model,
        "reference": reference,
        "model_files": model_files,
        "reference_files": reference_files,
    }
    assert inputs["palm_detector"] == {"boxes": versions["raw_palm_boxes"], "start": "yolo11n.yaml"}


def test_the_ui_gets_images_and_data_versions(made: Graph) -> None:
    result = made.materialize()
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        assert event.materialization.tags is not None
        assert event.materialization.tags["dagster/data_version"]
        if event.asset_key == dg.AssetKey("dcgan_checkpoint"):
            assert "data:image/png;base64," in str(metadata["samples"].value)


def test_training_reports_metrics_and_sample_grids_while_it_runs(made: Graph) -> None:
    grids = observations(made, "dcgan_checkpoint")
    assert [metadata["trained on, thousand images"].value for metadata in grids] == [0.16, 0.32, 0.48, 0.64]
    assert "probability of augmentation" not in grids[0], "it is a constant of this config"
    for metadata in grids:
        content = str(metadata["samples"].value).split("base64,")[1].rstrip(")")
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert image.format == "JPEG"
            assert min(image.size) > 6 * 16  # six samples a side
    epochs = observations(made, "palm_detector")
    assert [metadata["epoch"].value for metadata in epochs] == [1, 2]
    assert "validation AP50" in epochs[0]
    for metadata in (*grids, *epochs):
        assert not [name for name in metadata if "_" in name or "/" in name]
        numbers = [entry.value for entry in metadata.values() if isinstance(entry, dg.FloatMetadataValue)]
        assert numbers == [float(f"{number:.4g}") for number in numbers]


def test_observations_appear_before_the_checkpoint_is_materialized(made: Graph) -> None:
    observed = made.instance.fetch_observations(dg.AssetKey("dcgan_checkpoint"), limit=100).records
    materialized = made.instance.fetch_materializations(dg.AssetKey("dcgan_checkpoint"), limit=100).records
    assert min(r.timestamp for r in materialized) > min(r.timestamp for r in observed)


def test_a_second_run_reuses_everything_and_writes_nothing(made: Graph) -> None:
    before = made.listing()
    result = made.materialize()
    assert result.success
    assert set(reused_by_asset(result).values()) == {True}
    assert made.listing() == before


def test_a_changed_hyperparameter_remakes_only_the_checkpoint_and_its_evaluation(made: Graph) -> None:
    before, released = made.versions(), made.store.released("synthetic")
    result = made.materialize(dcgan_checkpoint={"generator_lr": 1e-4})
    assert result.success, failures(result)
    assert [name for name, reused in reused_by_asset(result).items() if not reused] == [
        "dcgan_checkpoint",
        "palm_evaluation",
    ]
    after = made.store.released("synthetic")
    assert released is not None
    assert after is not None
    assert after.model == made.versions()["dcgan_checkpoint"] != before["dcgan_checkpoint"]
    made.materialize()  # back to what the other tests expect
    assert made.store.released("synthetic") != after


@pytest.mark.parametrize(
    "asset", ["raw_hands", "raw_palm_boxes", "palm_detector", "cropped_palms", "dcgan_checkpoint"]
)
def test_each_asset_can_be_materialized_alone(made: Graph, asset: str) -> None:
    assert reused_by_asset(made.materialize(asset)) == {asset: True}


def test_an_asset_without_its_inputs_names_the_asset_to_materialize(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = Graph(tmp_path / "home", instance).materialize("cropped_palms")
    assert not result.success
    assert "Materialize" in failures(result)[0]


def test_a_damaged_artifact_is_remade(made: Graph) -> None:
    crops = made.store.current("cropped_palms")
    array = crops.folder / "crops.npy"
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(content)
    result = made.materialize()
    assert result.success, failures(result)
    assert [name for name, reused in reused_by_asset(result).items() if not reused] == ["cropped_palms"]
    assert made.store.current("cropped_palms").version == crops.version


LONGER = {"seed": 7, "kimg": 4.8, "snapshot_kimg": 100}
WEIGHTS = (GENERATOR_FILE, DISCRIMINATOR_FILE)


def test_a_training_killed_three_times_ends_with_the_weights_of_an_uninterrupted_one(
    made: Graph,
) -> None:
    models_before = made.store.versions("models")
    with signals_to_trainers(signal.SIGKILL, made.home, times=3, once_exists=STATE_FILE) as killed:
        result = made.materialize("dcgan_checkpoint", dcgan_checkpoint=LONGER)
    assert len(killed) == 3  # the first attempt and both retries
    assert not result.success
    assert made.store.versions("models") == models_before
    assert not list(made.home.glob("work/draft-*"))

    result = made.materialize("dcgan_checkpoint", dcgan_checkpoint=LONGER)
    assert result.success, failures(result)
    assert logged(made, result, "resuming from the saved state")
    resumed = made.store.current("dcgan_checkpoint")
    weights = {name: (resumed.folder / name).read_bytes() for name in WEIGHTS}

    shutil.rmtree(resumed.folder)
    result = made.materialize("dcgan_checkpoint", dcgan_checkpoint=LONGER)
    assert result.success, failures(result)
    assert not logged(made, result, "resuming from the saved state")
    again = made.store.current("dcgan_checkpoint")
    assert again.version == resumed.version
    assert {name: (again.folder / name).read_bytes() for name in WEIGHTS} == weights


def test_a_training_killed_once_is_retried_in_the_same_run(made: Graph) -> None:
    with signals_to_trainers(signal.SIGKILL, made.home, times=1, once_exists=STATE_FILE) as killed:
        result = made.materialize("dcgan_checkpoint", dcgan_checkpoint={**LONGER, "seed": 8})
    assert len(killed) == 1
    assert result.success, failures(result)
    kinds = [event.event_type_value for event in result.all_events if event.step_key == "dcgan_checkpoint"]
    assert kinds.count("STEP_UP_FOR_RETRY") == 1
    assert kinds.count("STEP_RESTARTED") == 1
    assert kinds.count("STEP_SUCCESS") == 1
    assert logged(made, result, "resuming from the saved state")
    assert made.instance.get_run_by_id(result.run_id).status == dg.DagsterRunStatus.SUCCESS  # type: ignore[union-attr]


def test_a_stopped_training_saves_its_state_in_time_and_is_not_retried(
    made: Graph,
) -> None:
    changed = {"seed": 9, "kimg": 640, "save_minutes": 60}
    with signals_to_trainers(signal.SIGTERM, made.home, times=1, once_exists="progress/*.png") as stopped:
        result = made.materialize("dcgan_checkpoint", dcgan_checkpoint=changed)
    assert stopped[0] < 30  # the process allows itself 8 s; other work may slow down the rest
    assert not result.success
    assert "resumes from the saved state" in failures(result)[0]
    run = made.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["seed"] == "9"  # also of a training that does not end
    assert [event.event_type_value for event in result.all_events].count("STEP_UP_FOR_RETRY") == 0
    states = list(made.home.glob("work/models-*/state.safetensors"))
    assert len(states) == 1  # saved on the signal: the next regular save was an hour away
    shutil.rmtree(states[0].parent)


def test_a_dcgan_of_another_size_than_the_crops_fails_with_one_line(made: Graph) -> None:
    result = made.materialize(dcgan_checkpoint={"image_size": 32})
    assert not result.success
    assert "image_size" in failures(result)[0]


def observations(graph: Graph, asset: str) -> list[Mapping[str, dg.MetadataValue]]:
    """The observations of an asset during its first run, in order."""
    records = graph.instance.fetch_observations(dg.AssetKey(asset), limit=100, ascending=True).records
    found = [record for record in records if record.asset_observation is not None]
    return [r.asset_observation.metadata for r in found if r.run_id == found[0].run_id]  # type: ignore[union-attr]


def logged(graph: Graph, result: dg.ExecuteInProcessResult, words: str) -> bool:
    """Whether a line of the run's log contains the words."""
    return any(words in entry.user_message for entry in graph.instance.all_logs(result.run_id))


@contextlib.contextmanager
def signals_to_trainers(
    number: signal.Signals, home: Path, *, times: int, once_exists: str
) -> Iterator[list[float]]:
    """Send a signal to several trainers, one after the other, at random moments of their training.

    Args:
        number: the signal.
        home: of the store that they train in.
        times: number of trainers.
        once_exists: a file that the trainer must have written into its work folder before.

    Yields:
        Seconds that each took to end.
    """
    seconds: list[float] = []
    signaled: set[int] = set()
    done = threading.Event()

    def has_started(trainer: psutil.Process) -> bool:
        written = [path.stat().st_mtime for path in home.glob(f"work/models-*/{once_exists}")]
        return any(moment > trainer.create_time() for moment in written)

    def send_signals() -> None:
        while len(seconds) < times and not done.wait(0.01):
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if (
                        child.pid in signaled
                        or "palm_assets.stages.worker" not in child.cmdline()
                        or not has_started(child)
                    ):
                        continue
                    signaled.add(child.pid)
                    time.sleep(random.uniform(0, 0.3))
                    started = time.monotonic()
                    child.send_signal(number)
                    while psutil.pid_exists(child.pid) and child.status() != psutil.STATUS_ZOMBIE:
                        time.sleep(0.01)
                    seconds.append(time.monotonic() - started)

    thread = threading.Thread(target=send_signals)
    thread.start()
    try:
        yield seconds
    finally:
        done.set()
        thread.join()
