"""What `make pipeline` says at the end: the release and what to do next, or what failed and how to go on."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from palm_assets.crops.config import CONTACT_SHEET_FILE
from palm_assets.release.bounds import bounds_in
from palm_assets.release.figures import rounded
from palm_assets.release.model_choices import learned_from, list_models
from palm_assets.stages.unfinished_training import UnfinishedTraining, unfinished_trainings
from palm_assets.store.artifacts import Kind, Store
from palm_assets.store.origins import origin_of
from palm_assets.store.starter import find_starter, starter_folder

_DEFAULTS = {"PALM_PRESETS": "", "PALM_LOOSE_PHOTOS": "refuse"}  # with these values, nobody types them
SAMPLES_FILE = "samples.png"
_REUSED, _NONE = "what is done is reused.", "no model"
_ORIGIN_NOTE = "The page still shows {default}: a model of synthetic hands never takes its place."


def success_summary(store: Store, model: str) -> str:
    """The lines after a success: the released model, the picture of its samples, and what to do next."""
    origin = origin_of(store.home, model)
    size = store.manifest("models", model).facts.get("image_size", "")
    lines = [f"Released: model {model}, {size} px, {learned_from(origin)}", *_model_lines(store, model)]
    default, palms = _default_model(store), _short(Path(".venv/bin/palms"))
    shown = "make app"
    if default != model:
        lines.append(_ORIGIN_NOTE.format(default="the starter" if default == "starter" else default))
        shown += "; choose the model there"
    lines += [
        "Next:",
        f"  {shown}",
        f"  {palms} generate --model {model} --out palms.zip",
        f"  {palms} compare {default} {model}" if default not in (model, _NONE) else f"  {palms} card",
    ]
    return "\n".join(lines)


def failure_summary(error: str, command: str, checks: Iterable[Mapping[str, Any]] = ()) -> str:
    """The last line after a run that failed or whose data was refused: what failed, and how to go on.

    Args:
        error: what ended the run, in one line.
        command: that starts the run again.
        checks: the failed checks: name ("check") and reason.
    """
    failed = list(checks)
    if not failed:
        return f"Failed: {_sentence(' '.join(error.split()))} Run `{command}` again to go on: {_REUSED}"
    return f"{_refusal(failed)} After a change, run `{command}` again: {_REUSED}"


def refusal_summary(store: Store, model: str, command: str, checks: Iterable[Mapping[str, Any]]) -> str:
    """The lines after the gate has refused a model: why, how good it is, and what to do next.

    Args:
        store: that keeps the model.
        model: its version.
        command: that starts the run again.
        checks: the failed checks: name ("check") and reason.
    """
    default, palms = _default_model(store), _short(Path(".venv/bin/palms"))
    compare = [] if default in (model, _NONE) else [f"  {palms} compare {default} {model}"]
    lines = [
        _refusal(checks),
        f"Model {model} is kept, but not on the page:",
        *_model_lines(store, model),
        "Next:",
        *compare,
        f"  {palms} release {model}  # to show it on the page nevertheless",
        f"After a change, run `{command}` again: {_REUSED}",
    ]
    return "\n".join(lines)


def interruption_summary(store: Store, command: str, started: datetime) -> str:
    """The last line after Ctrl-C: what was made and saved since the start, and the command to go on with."""
    made = [
        f"{kind} {manifest.version}"
        for kind in get_args(Kind)
        for manifest in store.manifests(kind)
        if manifest.created >= started
    ]
    made += [_saved(training) for training in unfinished_trainings(store) if training.saved >= started]
    saved = f"Saved: {', '.join(made)}." if made else "Nothing was finished yet."
    return f"Interrupted. {saved} Run `{command}` again to go on."


def unknown_preset(name: str, presets: Mapping[str, str], folder: Path) -> str:
    """The lines that list all presets, after a wrong name.

    Args:
        name: that was given.
        presets: name and description of each.
        folder: that holds them.
    """
    width = max(map(len, presets), default=0)
    lines = [f"  {preset:<{width}}  {_first_sentence(about)}" for preset, about in presets.items()]
    return "\n".join([f"There is no preset {name} in {_short(folder)}. The presets are:", *lines])


def command(preset: str, variables: Iterable[str] = ()) -> str:
    """What a person types to run a preset.

    Args:
        preset: its name.
        variables: that it reads from the environment. Those of Palms are set in the command as they are here.
    """
    words = ["make pipeline" if preset == "sample" else f"make pipeline PRESET={shlex.quote(preset)}"]
    for name in ("PALM_PRESETS", *variables):
        value = os.environ.get(name, "")
        if name.startswith("PALM_") and value != _DEFAULTS.get(name):
            words.insert(-1, f"{name}={shlex.quote(value) if value else '...'}")
    return " ".join(words)


def _refusal(checks: Iterable[Mapping[str, Any]]) -> str:
    """Which checks failed, at which value, and the bounds to change."""
    reasons = "; ".join(f"{check['check']}: {check['reason']}" for check in checks)
    names = bounds_in(reasons)
    knob = f" Bound: {', '.join(names)}, under resources, gate, config in the preset." if names else ""
    return f"Refused: {_sentence(reasons)}{knob}"


def _default_model(store: Store) -> str:
    """The model that draws if none is named."""
    return next((choice.name for choice in list_models(store) if choice.is_default), _NONE)


def _model_lines(store: Store, model: str) -> list[str]:
    """Pictures and figures of a model, indented."""
    return [
        f"  its samples           {_short(store.home / 'models' / model / SAMPLES_FILE)}",
        *(f"  its training crops    {_short(sheet)}" for sheet in _contact_sheets(store, model)),
        *(f"  {line}" for line in _metric_lines(store, model)),
    ]


def _contact_sheets(store: Store, model: str) -> list[Path]:
    """The picture of some of the crops that a model was trained on, if it is there."""
    crops = store.manifest("models", model).inputs.get("crops", "")
    sheet = store.home / "crops" / crops / CONTACT_SHEET_FILE
    return [sheet] if crops and sheet.is_file() else []


def _metric_lines(store: Store, model: str) -> list[str]:
    """The Fréchet distance of the newest evaluation, beside those of real palms and of other models there."""
    found = [m for m in store.manifests("evaluations") if {"label", "frechet", "n"} <= m.facts.keys()]
    evaluations = {m.inputs["model"]: m for m in found}  # the newest of each model
    own = evaluations.get(model)
    if own is None:
        return []
    facts, floor = own.facts, own.facts.get("floor") or {}
    lines = [f"{facts['label']} of {facts['n']} samples, smaller is better:"]
    figures = {model: facts["frechet"]}
    if floor.get("n") == facts["n"]:  # smaller sets are at a larger distance
        figures["real hands"] = floor["frechet"]
    starter = find_starter(starter_folder())
    for other, manifest in evaluations.items():
        same = (manifest.inputs["reference"], manifest.facts["n"]) == (own.inputs["reference"], facts["n"])
        if same and other != model:
            figures["starter" if starter and other == starter.version else other] = manifest.facts["frechet"]
    return [*lines, *(f"  {name:<18}  {rounded(value)}" for name, value in figures.items())]


def _saved(training: UnfinishedTraining) -> str:
    total = "" if training.total is None else f" of {training.total:g}"
    return f"the training of {training.kind} {training.version} at {training.done:g}{total} {training.unit}"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _first_sentence(text: str) -> str:
    return _sentence(text.split(". ")[0]) if text else ""


def _short(path: Path) -> str:
    """A path relative to the current folder if it is below it."""
    return os.path.relpath(path) if path.absolute().is_relative_to(Path.cwd()) else str(path)
