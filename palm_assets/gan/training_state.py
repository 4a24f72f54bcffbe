"""The resumable state of a training run as one safetensors file, written atomically; no pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from palm_assets.errors import CheckpointError
from palm_assets.store.atomic import write_atomically


def save_state(path: Path, parts: dict[str, Any], notes: dict[str, Any]) -> None:
    """Write modules, optimizers and random generators; if killed, the old file or the new one is left.

    Args:
        path: the file.
        parts: modules, optimizers and `torch.Generator`s by name.
        notes: further state, serializable as JSON.
    """
    tensors: dict[str, Tensor] = {}
    for name, part in parts.items():
        for key, value in _tensors_of(part).items():
            tensors[f"{name}/{key}"] = value.detach().cpu().contiguous().clone()
    write_atomically(path, save(tensors, metadata={"notes": json.dumps(notes)}))


def load_state(path: Path, parts: dict[str, Any]) -> dict[str, Any] | None:
    """Load a saved state into the same parts.

    Returns:
        The notes, or None if there is no file.

    Raises:
        CheckpointError: the file is damaged, or has other networks.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as stored:
            notes: dict[str, Any] = json.loads(stored.metadata()["notes"])
            tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
        for name, part in parts.items():
            prefix = f"{name}/"
            own = {k.removeprefix(prefix): value for k, value in tensors.items() if k.startswith(prefix)}
            _restore(part, own)
    except OSError as error:
        raise CheckpointError(
            f"The saved training state cannot be read: {error.strerror or error}",
            where=path,
            hint="Check the disk and start again.",
        ) from error
    except (SafetensorError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"The saved training state cannot be used: {error}",
            where=path,
            hint="Delete it to train from the start.",
        ) from error
    return notes


def _tensors_of(part: Any) -> dict[str, Tensor]:
    if isinstance(part, torch.Generator):
        return {"state": part.get_state()}
    if isinstance(part, torch.optim.Optimizer):
        moments = part.state_dict()["state"]
        return {f"{number}/{key}": value for number, slot in moments.items() for key, value in slot.items()}
    return dict(part.state_dict())


def _restore(part: Any, tensors: dict[str, Tensor]) -> None:
    if isinstance(part, torch.Generator):
        part.set_state(tensors["state"])
    elif isinstance(part, torch.optim.Optimizer):
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            number, slot = key.split("/")
            state.setdefault(int(number), {})[slot] = value
        part.load_state_dict({"state": state, "param_groups": part.state_dict()["param_groups"]})
        # The fused kernels need moments in the memory layout of their parameters.
        for parameter, slots in part.state.items():
            for slot, value in slots.items():
                if value.shape == parameter.shape:
                    slots[slot] = torch.empty_like(parameter).copy_(value)
    else:
        part.load_state_dict(tensors)
