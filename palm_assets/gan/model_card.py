"""The model card: what a model is, what it was trained on, and what it must not be used for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palm_assets.gan.checkpoint import CARD_FILE
from palm_assets.gan.checkpoint_selection import CheckpointRecord
from palm_assets.gan.config import GanConfig
from palm_assets.gan.people_record import NO_OVERLAP, HeldOutOverlap
from palm_assets.quality.reliability import CalibrationReport
from palm_assets.store.artifacts import Artifact
from palm_assets.store.origins import Origin

SYNTHETIC_NOTE = """
**This model learned from synthetic hands**, which a program rendered. It has never seen a photograph, and its
images look synthetic.
"""


def write_model_card(
    folder: Path,
    crops: Artifact,
    config: GanConfig,
    best: CheckpointRecord,
    score: CalibrationReport | str,
    start: Artifact | None = None,
    overlap: HeldOutOverlap = NO_OVERLAP,
    origin: Origin | None = None,
) -> None:
    """Write the model card beside the weights.

    Args:
        folder: folder of the model.
        crops: the crops that it was trained on.
        config: its recipe.
        best: the checkpoint whose weights it has.
        score: evaluation of its calibrated score, or the reason why it has none.
        start: the model that training started from, if any.
        overlap: people held out of its training whom `start` was trained on.
        origin: of what it was trained on, if that is known; synthetic hands are named.
    """
    facts = crops.facts
    started = (
        "" if start is None else f" started from model `{start.version}` of {start.facts['image_size']} px;"
    )
    skin = ", ".join(f"{name} {count}" for name, count in sorted(facts["skin"].items()))
    (folder / CARD_FILE).write_text(
        f"""# A DCGAN of human palms, {config.image_size} px
{SYNTHETIC_NOTE if origin == "synthetic" else ""}
![Uncurated samples](samples.png)

- **Training data:** {facts["crops"]["train"]} crops of {facts["people"]["train"]} people (crops
  `{crops.version}`). {_held_out(facts)}{_leak(overlap)}
- **Skin tones of the photographs, from their metadata:** {skin}. A tone
  that is rare there is rare here, and looks worse.
- **Recipe:**{started} {config.loss} loss, batch {config.batch}, {config.kimg:g} thousand images.
  {_chosen(best)} Augmentation: {", ".join(config.augment) or "none"};
  seed {config.seed}. The full configuration is in `manifest.json`.
{_score(score)}

{"" if isinstance(score, str) else "![Reliability](reliability.png) "}![Training curves](curves.png)

## Limitations
These hands belong to no one. The images are for looking at: not for identification, palmistry as advice,
medicine, or testing biometric systems. The generator knows only the poses, lighting and skin tones of its
training photographs.

## License
AGPL-3.0-or-later, like the program that made it. The terms of the photographs apply as well: the 11k Hands
set (M. Afifi, 2019) is free for academic use with citation. Synthetic photographs have no terms of their own.
""",
        encoding="utf-8",
    )


def _held_out(facts: Mapping[str, Any]) -> str:
    """Who is held out for what."""
    crops, people = facts["crops"], facts["people"]
    if facts["shared_holdout"]:
        return f"""{crops["test"]} crops of {people["test"]} other people
  chose the checkpoint, calibrated the score and set the floor of the metrics. There are too few people to use
  different ones, so the metrics are a little too good."""
    return f"""{crops["validation"]} crops of {people["validation"]} other people
  chose the checkpoint and calibrated the score. {crops["test"]} crops of {people["test"]} more people,
  who had no influence on the model, set the floor of the metrics."""


def _leak(overlap: HeldOutOverlap) -> str:
    """Whether people held out are known to the model that training started from; empty if not."""
    text = ""
    if overlap.people:
        text += f"""
  **{overlap.people} of the people held out were trained on** by the model that this one started from: the
  metrics and the evaluation of the score are too good."""
    if overlap.unknown:
        text += """
  **It is not known whom the model that this one started from was trained on.** People held out here may be
  among them; then the metrics and the evaluation of the score are too good."""
    return text


def _chosen(best: CheckpointRecord) -> str:
    at = f"the one at {best.images_seen / 1000:g} thousand images"
    if math.isnan(best.kernel_distance):
        return f"Of its checkpoints, {at} is the last: too few crops are in validation to choose."
    return f"Of its checkpoints, {at} was nearest to the people of validation."


def _score(score: CalibrationReport | str) -> str:
    if isinstance(score, str):
        return f"""- **The score of an image is not calibrated:** {score}.
  Without it, a score is the discriminator's raw output and no probability."""
    warning = (
        " **It is uninformative here:** the discriminator hardly separates the two."
        if score.uninformative
        else ""
    )
    return f"""- **The score of an image** is the calibrated probability that it is a photograph, at 50:50
  odds: a {score.method} fit on the people of validation, evaluated by cross-validation on {score.n_real}
  crops of {score.n_people} such people and {score.n_fake} samples. AUC {score.auc:.3f} ± {score.auc_sd:.3f}
  (0.5: no information), Brier score
  {score.brier:.3f} ± {score.brier_sd:.3f} (always answering 0.5: 0.25), mean calibration error
  {score.calibration_error:.3f}.{warning}"""
