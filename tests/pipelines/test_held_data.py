"""Data that failed its blocking check is not taken up by later runs, until a bound or the data change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg

from palm_assets.store.artifacts import Store
from pipelines.definitions import definitions
from pipelines.failures import REFUSED_TAG, describe_failure
from tests.models import SMALL
from tests.pipelines.conftest import failures
from tests.release.lineage import DETECTOR, PHOTOS


def crop(home: Path, instance: dg.DagsterInstance, gate: dict[str, Any]) -> dg.ExecuteInProcessResult:
    """A later run that crops what there is."""
    return (
        definitions(home)
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            run_config={"resources": {"gate": {"config": gate}}},
            instance=instance,
            asset_selection=[dg.AssetKey("cropped_palms")],
            raise_on_error=False,
        )
    )


def test_photographs_that_failed_their_check_are_not_cropped_by_a_later_run(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    store = Store(tmp_path / "home")
    facts = {**PHOTOS, "photos": 30, "source": "folder"}
    photos = store.make("photos", lambda folder: facts, inputs={}, config=SMALL, code_version="1")
    store.set_current("raw_hands", photos)
    detector = store.make("detector", lambda folder: DETECTOR, inputs={}, config=SMALL, code_version="1")
    store.set_current("palm_detector", detector)
    refused = crop(store.home, instance, {})
    reason = f"raw_hands {photos.version} failed photos_are_usable: usable photographs 30 (at least 100)"
    assert failures(refused)[0].splitlines()[0].endswith(f"Refused: {reason}")
    run = instance.get_run_by_id(refused.run_id)
    assert run is not None
    assert run.tags[REFUSED_TAG] == reason
    report = describe_failure(instance, run)
    assert (report["outcome"], report["error"]) == ("refused", f"Refused: {reason}")
    assert report["checks"][0]["reason"] == f"Refused: {reason}"

    # The active preset has bounds for synthetic hands.
    sample = crop(store.home, instance, {"min_photos": 30})
    assert any("Refused" in failure for failure in failures(sample))

    # It stops for another reason: there are no files.
    allowed = crop(store.home, instance, {"applies_to": "all", "min_photos": 30})
    assert failures(allowed)
    assert not any("Refused" in failure for failure in failures(allowed))
