import base64
import io
import random
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import psutil
import pytest
from PIL import Image

from palm_assets.gan.sampling import load_model
from palm_assets.store import Store
from tests.pipelines.conftest import Graph, failures, reuse


def test_the_whole_graph_ends_with_a_released_model(made: Graph) -> None:
    release = made.store.released()
    assert release is not None
    model = load_model(made.store.open("models", release.model).folder, release.model)
    assert model.draw(model.latents(0, range(3))).shape == (3, 3, 16, 16)
    assert release.reference == made.versions()["fid_reference"]


def test_every_artifact_names_what_it_was_made_from(made: Graph) -> None:
    versions = made.versions()
    inputs = {name: made.store.current(name).manifest.inputs for name in versions}
    assert inputs["cropped_palms"] == {"photos": versions["raw_hands"], "detector": versions["palm_detector"]}
    assert inputs["dcgan_checkpoint"] == inputs["fid_reference"] == {"crops": versions["cropped_palms"]}


def test_the_ui_gets_pictures_and_data_versions(made: Graph) -> None:
    result = made.materialize()
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        assert event.materialization.tags is not None
        assert event.materialization.tags["dagster/data_version"]
        if event.asset_key == dg.AssetKey("dcgan_checkpoint"):
            assert "data:image/png;base64," in str(metadata["samples.png"].value)


def test_training_shows_its_figures_and_grids_while_it_runs(made: Graph) -> None:
    grids = observations(made, "dcgan_checkpoint")
    assert [metadata["kimg"].value for metadata in grids] == [0.16, 0.32, 0.48, 0.64]
    for metadata in grids:
        content = str(metadata["samples"].value).split("base64,")[1].rstrip(")")
        with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
            assert picture.format == "JPEG"
            assert min(picture.size) > 6 * 16  # six palms a side
    epochs = observations(made, "palm_detector")
    assert [metadata["epoch"].value for metadata in epochs] == [1, 2]
    assert "metrics/mAP50(B)" in epochs[0]


def test_an_evaluation_is_known_before_the_checkpoint_is(made: Graph) -> None:
    observed = made.instance.fetch_observations(dg.AssetKey("dcgan_checkpoint"), limit=100).records
    materialized = made.instance.fetch_materializations(dg.AssetKey("dcgan_checkpoint"), limit=100).records
    assert min(r.timestamp for r in materialized) > min(r.timestamp for r in observed)


def test_the_same_again_reuses_everything_and_writes_nothing(made: Graph) -> None:
    before = made.listing()
    result = made.materialize()
    assert result.success
    assert set(reuse(result).values()) == {True}
    assert made.listing() == before


def test_a_changed_hyperparameter_remakes_the_checkpoint_and_what_follows_it_only(made: Graph) -> None:
    before, released = made.versions(), made.store.released()
    result = made.materialize(dcgan_checkpoint={"generator_lr": 1e-4})
    assert result.success, failures(result)
    assert [name for name, reused in reuse(result).items() if not reused] == [
        "dcgan_checkpoint",
        "palm_scores",
    ]
    after = made.store.released()
    assert released is not None
    assert after is not None
    assert after.model == made.versions()["dcgan_checkpoint"] != before["dcgan_checkpoint"]
    made.materialize()  # back to what the other tests expect
    assert made.store.released() != after


@pytest.mark.parametrize(
    "asset", ["raw_hands", "raw_palm_boxes", "palm_detector", "cropped_palms", "dcgan_checkpoint"]
)
def test_each_asset_can_be_materialized_alone(made: Graph, asset: str) -> None:
    assert reuse(made.materialize(asset)) == {asset: True}


def test_an_asset_without_its_inputs_says_what_to_materialize(tmp_path: Path) -> None:
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
    assert [name for name, reused in reuse(result).items() if not reused] == ["cropped_palms"]
    assert made.store.current("cropped_palms").version == crops.version


def test_a_training_process_killed_three_times_publishes_nothing_and_then_completes(made: Graph) -> None:
    changed = {"seed": 7, "kimg": 1.6}
    models_before = Store(made.home).versions("models")
    for attempt in range(3):
        killer = threading.Thread(target=_kill_the_trainer, args=(random.Random(attempt).uniform(0.0, 2.0),))
        killer.start()
        result = made.materialize(dcgan_checkpoint=changed)
        killer.join()
        assert not result.success
        assert Store(made.home).versions("models") == models_before
        assert not list(made.home.glob("work/draft-*"))
    result = made.materialize(dcgan_checkpoint=changed)
    assert result.success, failures(result)
    assert len(Store(made.home).versions("models")) == len(models_before) + 1
    made.materialize()


def test_a_dcgan_that_cannot_learn_from_these_crops_fails_with_one_clear_line(made: Graph) -> None:
    result = made.materialize(dcgan_checkpoint={"image_size": 32})
    assert not result.success
    assert "image_size" in failures(result)[0]


def observations(graph: Graph, asset: str) -> list[Mapping[str, dg.MetadataValue]]:
    """What was observed of an asset while its first run made it, in that order."""
    records = graph.instance.fetch_observations(dg.AssetKey(asset), limit=100, ascending=True).records
    found = [record for record in records if record.asset_observation is not None]
    return [r.asset_observation.metadata for r in found if r.run_id == found[0].run_id]  # type: ignore[union-attr]


def _kill_the_trainer(delay: float) -> None:
    """Kill -9 the worker `delay` seconds after it began to use its training code."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in psutil.Process().children(recursive=True):
            if "palm_assets.worker" in child.cmdline():
                while child.memory_info().rss < 150e6:  # torch is being loaded
                    time.sleep(0.05)
                time.sleep(delay)
                child.kill()
                return
        time.sleep(0.05)
