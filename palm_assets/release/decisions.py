"""The gate's decisions on disk: `decisions/<model>.json` holds the latest result of each check on a model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from palm_assets.errors import ArtifactCorruptError
from palm_assets.release.checks import CheckResult, refusal
from palm_assets.store.artifacts import Store
from palm_assets.store.atomic import write_atomically
from palm_assets.store.releases import read_released

FOLDER = "decisions"


class DecisionRecord(BaseModel):
    """The latest result of each check on one model.

    Attributes:
        schema_version: of this format.
        model: version of the model.
        checked_at: when the latest of the results was recorded, UTC.
        checks: the results, in the order in which the checks were first recorded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    schema_version: Literal[1] = 1
    model: str
    checked_at: datetime
    checks: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether no recorded check failed."""
        return all(result.passed for result in self.checks)

    @property
    def refusal(self) -> str:
        """The failed checks with their reasons, in one line; "" if none failed."""
        return refusal(self.checks)

    def result(self, check: str) -> CheckResult | None:
        """The latest result of a check; None if it was never recorded."""
        return next((result for result in self.checks if result.name == check), None)


def record_checks(store: Store, model: str, results: Iterable[CheckResult]) -> None:
    """Record results of checks on a model; each replaces the earlier result of the same check.

    Nothing is written if the results are the same, or if the model is released: its record is that of the
    decision to release it.

    Raises:
        DiskFullError, ArtifactError: the store cannot be written.
    """
    before = find_decision(store, model)
    if before is not None and _is_released(store, model):
        return
    merged = {result.name: result for result in [*(before.checks if before else ()), *results]}
    record = DecisionRecord(model=model, checked_at=datetime.now(UTC), checks=tuple(merged.values()))
    unchanged = before is not None and _content(before) == _content(record)
    if not unchanged:
        with store.writing():
            write_atomically(_path(store, model), record.model_dump_json(indent=1).encode() + b"\n")


def read_decision(store: Store, model: str) -> DecisionRecord | None:
    """The record of a model; None if no check was ever recorded.

    Raises:
        ArtifactCorruptError: the record is not readable.
    """
    path = _path(store, model)
    try:
        return DecisionRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ArtifactCorruptError(
            "The record of the gate's decision is not readable",
            where=path,
            hint="Materialize palm_release again.",
        ) from error


def find_decision(store: Store, model: str) -> DecisionRecord | None:
    """The record of a model; None if there is none, or if it is not readable."""
    with contextlib.suppress(ArtifactCorruptError):
        return read_decision(store, model)
    return None


def _is_released(store: Store, model: str) -> bool:
    with contextlib.suppress(ArtifactCorruptError):
        return any(release.model == model for release in read_released(store.home).all)
    return False


def _content(record: DecisionRecord) -> str:
    """All but the time, as text: NaN, which is not equal to itself, is equal in it."""
    return record.model_dump_json(exclude={"checked_at"})


def _path(store: Store, model: str) -> Path:
    return store.home / FOLDER / f"{model}.json"
