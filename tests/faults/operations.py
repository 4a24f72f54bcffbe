"""Operations of the store, each in a process of its own: `python -m tests.faults.operations`.

Reads lines "OPERATION HOME" and forks a process for each, which prints its id, waits for a line, and then
does the operation, so that a tracer can be attached first. Its exit status says how it ended.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from palm_assets.errors import PalmError
from palm_assets.gan.config import GanConfig
from palm_assets.gan.saved_states import SavedStates
from palm_assets.gan.trainer import Trainer
from palm_assets.release.retention import RetentionConfig, remove_unused
from palm_assets.stages.model import make_model
from palm_assets.stages.training_job import TrainingJob, run_job
from palm_assets.store.artifacts import Artifact, Kind, Store
from tests.crops.published_crops import publish_crops_of, split
from tests.tiny import TINY

DONE, TYPED_ERROR, SYSTEM_ERROR, OTHER_ERROR = 0, 10, 11, 12
STEPS_FILE = "steps"
GAN = GanConfig(**{**TINY["dcgan_checkpoint"], "kimg": 0.16, "snapshot_kimg": 100, "device": "cpu"})


class Size(BaseModel):
    size: int = 64


def make(store: Store, kind: Kind, name: str) -> Artifact:
    """An artifact of three files."""

    def build(folder: Path) -> dict[str, object]:
        (folder / "below").mkdir()
        for path in (folder / "a", folder / "b", folder / "below" / "c"):
            path.write_bytes(name.encode() * 1000)
        return {"name": name}

    return store.make(kind, build, inputs={"name": name}, config=Size(), code_version="1")


def publish(store: Store) -> None:
    """Publish new crops, and point the asset at them."""
    store.set_current("cropped_palms", make(store, "crops", "new"))


def release(store: Store) -> None:
    """Release the second model."""
    store.release(make(store, "models", "second"), make(store, "reference", "second"))


def save(store: Store) -> None:
    """Save another training state than the one that is there."""
    states = SavedStates(store.work_folder("models", "0123456789ab"), 1)
    parts = state_parts()
    notes = states.load(parts)
    age = 0 if notes is None else notes["age"] + 1
    parts["random"].manual_seed(age)
    with store.writing(only_writes=True):
        states.save(parts, {"seed": age}, age)


def state_parts() -> dict[str, Any]:
    return {"random": torch.Generator(), "network": torch.nn.Linear(8, 8)}


def tidy(store: Store) -> None:
    """Remove the first model, which nothing needs."""
    remove_unused(store, RetentionConfig(keep_models=1, keep_releases=1, keep_work_days=0))


def training_crops(store: Store) -> Artifact:
    """Random crops of enough people to train on."""
    return publish_crops_of(store, split("abcdefghij", "klmn", "opqr"))


def train(store: Store) -> None:
    """Train a model; prints when the trainer has said its last word, and waits for a line."""
    step = Trainer.step

    def counted(trainer: Trainer) -> dict[str, torch.Tensor]:
        with (store.home / STEPS_FILE).open("ab") as file:
            file.write(b".")
        return step(trainer)

    def run(job: TrainingJob) -> dict[str, Any]:
        facts = run_job(job, log=lambda line: None)
        print("trained", flush=True)
        os.read(0, 1)
        return facts

    Trainer.step = counted  # type: ignore[method-assign]
    make_model(store, training_crops(store), GAN, run=run)


OPERATIONS: dict[str, Callable[[Store], None]] = {
    "publish": publish,
    "release": release,
    "save": save,
    "tidy": tidy,
    "train": train,
}


def _child(operation: str, home: str) -> int:
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # any process may trace this one
    gc.disable()  # the same system calls every time
    print(os.getpid(), flush=True)
    if operation != "train":
        os.read(0, 1)
    try:
        OPERATIONS[operation](Store(home))
    except PalmError:
        return TYPED_ERROR
    except OSError:
        return SYSTEM_ERROR
    except BaseException:
        import traceback

        traceback.print_exc()
        return OTHER_ERROR
    return DONE


def main() -> None:
    """Serve requests until the input ends."""
    while line := _line():
        operation, home = line.split(maxsplit=1)
        process = os.fork()
        if process == 0:
            os._exit(_child(operation, home))
        _, status = os.waitpid(process, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)


def _line() -> str:
    """A line of standard input, unbuffered: the rest of it is for the forked process."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 1)
        if not part:
            return ""
        line += part
    return line.decode().strip()


if __name__ == "__main__":
    sys.exit(main())
