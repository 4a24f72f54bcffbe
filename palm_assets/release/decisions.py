"""What the gate said of each candidate, kept beside the models: `verdicts/<model>.json`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from palm_assets.errors import ArtifactCorruptError
from palm_assets.release.checks import CheckResult
from palm_assets.store.artifacts import Store
from palm_assets.store.atomic import write_atomically, writing_under

FOLDER = "verdicts"


class Decision(BaseModel):
    """The latest verdict of each check on one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    model: str
    judged: datetime
    verdicts: dict[str, dict[str, Any]]

    @property
    def passed(self) -> bool:
        """Whether no check refused it."""
        return all(verdict["passed"] for verdict in self.verdicts.values())

    @property
    def refusal(self) -> str:
        """Why it was refused, in one line; "" if it was not."""
        return refusal(CheckResult(name, **said) for name, said in self.verdicts.items())


def refusal(verdicts: Iterable[CheckResult]) -> str:
    """What failed, in one line; "" if nothing did."""
    return "; ".join(f"{v.check}: {v.reason}" for v in verdicts if not v.passed)


def record(store: Store, model: str, verdicts: Iterable[CheckResult]) -> None:
    """Keep verdicts on a model, each in the place of the last one by that check.

    Nothing is written if they are the same, or if the model is released: it was judged before it was.
    """
    before = read(store, model, damaged_is_none=True)
    if before is not None and _is_released(store, model):
        return
    said = {v.check: {"passed": v.passed, "reason": v.reason, "figures": dict(v.figures)} for v in verdicts}
    merged = {} if before is None else before.verdicts
    merged = {**merged, **json.loads(json.dumps(said))}
    if before is not None and merged == before.verdicts:
        return
    judgement = Decision(model=model, judged=datetime.now(UTC), verdicts=merged)
    with writing_under(store.home):
        write_atomically(
            store.home / FOLDER / f"{model}.json", judgement.model_dump_json(indent=1).encode() + b"\n"
        )


def _is_released(store: Store, model: str) -> bool:
    with contextlib.suppress(ArtifactCorruptError):
        release = store.released()
        return release is not None and release.model == model
    return False


def read(store: Store, model: str, *, damaged_is_none: bool = False) -> Decision | None:
    """What the gate said of a model; None if it was never asked.

    Raises:
        ArtifactCorruptError: the record is not readable, and `damaged_is_none` was not asked for.
    """
    path = store.home / FOLDER / f"{model}.json"
    try:
        return Decision.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        if damaged_is_none:
            return None
        raise ArtifactCorruptError(
            "The gate's record is not readable", where=path, hint="Materialize palm_release again."
        ) from error
