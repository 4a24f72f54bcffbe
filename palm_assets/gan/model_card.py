"""The model card: what a model is, what it was trained on, and what it must not be used for."""

from __future__ import annotations

from pathlib import Path

from palm_assets.gan.checkpoint import CARD_FILE
from palm_assets.gan.checkpoint_selection import CheckpointRecord
from palm_assets.gan.config import GanConfig
from palm_assets.quality.reliability import CalibrationReport
from palm_assets.store.artifacts import Artifact


def write_model_card(
    folder: Path,
    crops: Artifact,
    config: GanConfig,
    best: CheckpointRecord,
    score: CalibrationReport,
    start: Artifact | None = None,
) -> None:
    """Write the model card beside the weights.

    Args:
        folder: folder of the model.
        crops: the crops that it was trained on.
        config: its recipe.
        best: the checkpoint whose weights it has.
        score: evaluation of its calibrated score.
        start: the model that training started from, if any.
    """
    facts = crops.facts
    warning = (
        " **It is uninformative here:** the discriminator hardly separates the two."
        if score.uninformative
        else ""
    )
    started = (
        "" if start is None else f" started from model `{start.version}` of {start.facts['image_size']} px;"
    )
    skin = ", ".join(f"{name} {count}" for name, count in sorted(facts["skin"].items()))
    (folder / CARD_FILE).write_text(
        f"""# A DCGAN of human palms, {config.image_size} px

![Uncurated samples](samples.png)

- **Training data:** {facts["crops"]["train"]} crops of {facts["people"]["train"]} people (crops
  `{crops.version}`). {facts["crops"].get("holdout", 0)} crops of {facts["people"]["holdout"]} other people
  were held out.
- **Skin tones of the photographs, from their metadata:** {skin}. A tone
  that is rare there is rare here, and looks worse.
- **Recipe:**{started} {config.loss} loss, batch {config.batch}, {config.kimg:g} thousand images.
  Of its checkpoints, the one at {best.images_seen / 1000:g} thousand images was nearest to the people held
  out. Augmentation: {", ".join(config.augment) or "none"}; seed {config.seed}. The full configuration is in
  `manifest.json`.
- **The score of an image** is the calibrated probability that it is a photograph, at 50:50 odds: a
  {score.method} fit on people held out of training, evaluated by cross-validation on {score.n_real} crops of
  {score.n_people} such people and {score.n_fake} samples. AUC {score.auc:.3f} ± {score.auc_sd:.3f}
  (0.5: no information), Brier score
  {score.brier:.3f} ± {score.brier_sd:.3f} (always answering 0.5: 0.25), mean calibration error
  {score.calibration_error:.3f}.{warning}

![Reliability](reliability.png) ![Training curves](curves.png)

## Limitations
These hands belong to no one. The images are for looking at: not for identification, palmistry as advice,
medicine, or testing biometric systems. The generator knows only the poses, lighting and skin tones of its
training photographs.

## License
AGPL-3.0-or-later, like the program that made it. The terms of the photographs apply as well: the 11k Hands
set (M. Afifi, 2019) is free for academic use with citation. Synthetic photographs have no terms of their own.
"""
    )
