"""The model card: what a model is, what it was made from, and what it must not be used for."""

from __future__ import annotations

from pathlib import Path

from palm_assets.gan.checkpoint import CARD_FILE
from palm_assets.gan.checkpoint_selection import Candidate
from palm_assets.gan.config import GanConfig
from palm_assets.quality.reliability import CalibrationReport
from palm_assets.store.artifacts import Artifact


def write_card(
    folder: Path,
    crops: Artifact,
    config: GanConfig,
    kept: Candidate,
    score: CalibrationReport,
    start: Artifact | None = None,
) -> None:
    """Write the card beside the weights; `start` is the model that training started from, if any."""
    made = crops.facts
    little = (
        " **It says little here:** the discriminator hardly tells them apart." if score.says_little else ""
    )
    begun = "" if start is None else f" from model `{start.version}` of {start.facts['image_size']} px on,"
    skin = ", ".join(f"{name} {count}" for name, count in sorted(made["skin"].items()))
    (folder / CARD_FILE).write_text(
        f"""# A DCGAN of human palms, {config.image_size} px

![Samples, unchosen](samples.png)

- **Made from** {made["crops"]["train"]} palms of {made["people"]["train"]} people (crops `{crops.version}`);
  {made["crops"].get("holdout", 0)} palms of {made["people"]["holdout"]} other people were never trained on.
- **Skin of the photographs, by their metadata:** {skin}. A tone that is rare there is rare, and worse, here.
- **Recipe:**{begun} {config.loss} loss, batch {config.batch}, {config.kimg:g} thousand photographs
  shown, of whose checkpoints the one at {kept.seen / 1000:g} thousand came nearest to the people held out;
  augmentation: {", ".join(config.augment) or "none"}; seed {config.seed}. All of it is in `manifest.json`.
- **The score of one palm** is the probability that it is a photograph, at 50:50 odds: {score.method} fit on
  people that training never saw, judged by turns on {score.n_real} palms of {score.n_people} such people and
  {score.n_fake} fresh ones. AUC {score.auc:.3f} ± {score.auc_sd:.3f} (0.5 knows nothing), Brier
  {score.brier:.3f} ± {score.brier_sd:.3f} (always saying 0.5: 0.25), mean gap between promise and truth
  {score.error:.3f}.{little}

![Reliability](reliability.png) ![Training curves](curves.png)

## Limits
These palms belong to nobody. They are pictures for looking at: not for identification, palmistry as advice,
medicine, or testing of biometric systems. The generator knows the poses, lights and skins of its photographs
and no others.

## Licence
AGPL-3.0-or-later, as the program that made it. The photographs' own terms hold beside it: the 11k Hands set
(M. Afifi, 2019) is free for academic use with citation. Drawn photographs carry no terms of their own.
"""
    )
