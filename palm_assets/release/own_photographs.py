"""Training on one's own photographs, without labeled palms: what the preset `own` does, and a check of them.

The check indexes and crops the photographs as the preset would, and measures how long this machine would
train. It writes nothing.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from palm_assets.crops.config import CONTACT_SHEET_FILE, CropConfig
from palm_assets.gan.config import GanConfig
from palm_assets.gan.people_record import population_of, read_people
from palm_assets.photos.candidates import find_candidates
from palm_assets.photos.hand_info import find_table
from palm_assets.photos.index import folder_fingerprint, index_photos
from palm_assets.progress import Progress, Report, no_progress, silent
from palm_assets.release.checks import CheckResult, check_crops, check_photos
from palm_assets.release.config import GateConfig
from palm_assets.sources.config import LoosePhotos, PhotosConfig
from palm_assets.sources.folders import reason_counts
from palm_assets.stages.code_versions import CODE_VERSIONS
from palm_assets.stages.detector import open_starter_detector
from palm_assets.stages.source_folder import locate_source
from palm_assets.store.artifacts import Store
from palm_assets.store.identity import version_of
from palm_assets.store.starter import STARTER, find_starter

if TYPE_CHECKING:
    from PIL import Image

CROPS = CropConfig(image_size=256, quarter_turns=True, hold_out="not_in_starter")
TRAINING = GanConfig(
    start="starter",
    image_size=256,
    latent=96,
    generator_width=16,
    discriminator_width=16,
    max_width=256,
    output_activation="smoothstep",
    padding_mode="replicate",
    output_smoothing=0.03,
    even_upsampling=True,
    r1=0.2,
    augment=["color", "rotation", "translation"],
    augment_probability=0.8,
    batch=32,
    generator_lr=0.0001,
    discriminator_lr=0.0002,
    ema_kimg=5,
    ema_rampup=1,
    kimg=24,
    snapshot_kimg=2,
)
BOUNDS = GateConfig(min_photos=40, min_crops=24)
"""The configs of the preset `own`; a test compares them with its file."""
TIMED_STEPS = 3
OTHER_MINUTES = 5  # for cropping, checkpoints, calibration and evaluations
_IDENTIFIED_BY: Mapping[LoosePhotos, str] = {
    "refuse": "by their folders",
    "each_a_person": "by their folders; whoever is on a photograph in no folder is on no other one",
    "by_file_name": "by their folders; where there is none, by how the file names begin",
}


@dataclass(frozen=True)
class PhotographsReport:
    """What a folder of photographs would give, before any work.

    Attributes:
        photos: number of usable photographs.
        people: number of people on them.
        identified_by: how the people were identified.
        photos_each: smallest, median and largest number of photographs of a person.
        known: people whom the starter was trained on; they are trained on again, and never held out.
        set_aside: number of files for each reason why they are not used.
        cropped: number of photographs with a palm.
        turned: number of those that were turned to find it upright.
        crops: number of crops in each split.
        split_people: number of people in each split.
        seconds_per_step: of the training, measured here.
        minutes: the whole preset would take.
        checks: whether this is enough.
        contact_sheet: some of the crops.
    """

    photos: int
    people: int
    identified_by: str
    photos_each: tuple[int, int, int]
    known: int
    set_aside: Mapping[str, int]
    cropped: int
    turned: int
    crops: Mapping[str, int]
    split_people: Mapping[str, int]
    seconds_per_step: float
    minutes: float
    checks: tuple[CheckResult, ...]
    contact_sheet: Image.Image

    @property
    def is_enough(self) -> bool:
        """Whether the preset would begin to train."""
        return all(result.passed for result in self.checks)

    def to_json(self) -> dict[str, object]:
        """Plain values, without the picture."""
        values = {k: v for k, v in vars(self).items() if k not in ("checks", "contact_sheet")}
        failed = [f"{result.name}: {result.reason}" for result in self.checks if not result.passed]
        return {**values, "is_enough": self.is_enough, "missing": failed}

    def describe(self) -> str:
        """Lines for people."""
        least, median, most = self.photos_each
        files = sum(self.set_aside.values())
        lines = [
            f"{self.photos} photographs of {self.people} people, identified {self.identified_by}",
            f"photographs of each person: {least} to {most}, median {median}",
            f"files set aside: {files}",
            *(f"  {count} {reason}" for reason, count in self.set_aside.items()),
            f"palm found on {self.cropped} of {self.photos} photographs"
            + (f", {self.turned} of them turned upright" if self.turned else ""),
            *(
                f"{what}: {self.crops[split]} crops of {self.split_people[split]} people"
                for what, split in (
                    ("trained on", "train"),
                    ("choose the checkpoint", "validation"),
                    ("measured against", "test"),
                )
            ),
        ]
        if self.known:
            lines.append(f"the starter was trained on {self.known} of them, who are therefore not held out")
        lines.append(
            f"training: {TRAINING.kimg:g} thousand images, {self.seconds_per_step:.2f} s a step here; "
            f"about {self.minutes:.0f} minutes in all"
        )
        if self.is_enough:
            lines.append("This is enough to begin.")
        else:
            lines.append("This is not enough:")
            lines += [f"  {result.reason}" for result in self.checks if not result.passed]
        return "\n".join(lines)


def check_photographs(
    folder: Path,
    photos: PhotosConfig | None = None,
    crops: CropConfig = CROPS,
    training: GanConfig = TRAINING,
    bounds: GateConfig = BOUNDS,
    *,
    progress: Progress = no_progress,
    report: Report = silent,
) -> PhotographsReport:
    """Index and crop the photographs of a folder, and time a few steps of the training.

    Args:
        folder: of photographs.
        photos: who is on them; by default as in the preset.
        crops: how they are cropped.
        training: what would be trained.
        bounds: of the checks of the data.
        progress: called with photographs cropped and photographs in all.
        report: called with a line before the steps are timed.

    Raises:
        SourceNotFoundError: no such folder.
        DatasetError: the photographs do not make a usable set, or nothing says who is on them.
        ArtifactMissingError: this copy of the program has no detector.
    """
    from PIL import Image

    from palm_assets.crops.extraction import make_crops, read_crops
    from palm_assets.crops.shards import LocalEngine
    from palm_assets.detector.detection import load_detector

    photos = photos or PhotosConfig(source="folder", folder=str(folder))
    index = index_photos(
        folder,
        aspects=photos.aspects,
        person_level=photos.person_level,
        loose_photos=cast(LoosePhotos, photos.loose_photos),
        max_set_aside=photos.max_set_aside,
        max_megapixels=photos.max_megapixels,
    )
    each = Counter(photo.person for photo in index.photos)
    starter = find_starter(STARTER)
    known = (
        frozenset() if starter is None else read_people(starter.folder).known_among(each, population_of({}))
    )
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        detector = load_detector(open_starter_detector().folder)
        held_in = known if crops.hold_out == "not_in_starter" else frozenset()
        facts = make_crops(index, LocalEngine(detector), crops, out, known=held_in, progress=progress)
        people = read_crops(out).people
        with Image.open(out / CONTACT_SHEET_FILE) as sheet:
            contact_sheet = sheet.copy()
    report(f"timing {1 + TIMED_STEPS} steps of the training")
    seconds = seconds_per_step(training)
    steps = training.kimg * 1000 / training.batch
    return PhotographsReport(
        photos=len(index.photos),
        people=len(each),
        identified_by=_identified_by(folder, photos),
        photos_each=(min(each.values()), int(statistics.median(each.values())), max(each.values())),
        known=len(known),
        set_aside=reason_counts(index.set_aside),
        cropped=round(facts["share_with_palm"] * len(index.photos)),
        turned=facts["turned"],
        crops=facts["crops"],
        split_people=facts["people"],
        seconds_per_step=seconds,
        minutes=steps * seconds / 60 + OTHER_MINUTES,
        checks=(check_photos(index.facts(), bounds), check_crops(facts, people, bounds)),
        contact_sheet=contact_sheet,
    )


def are_cropped(store: Store, photos: PhotosConfig, crops: CropConfig = CROPS) -> bool:
    """Whether the store has the crops of these photographs: then an earlier run has checked them.

    Raises:
        SourceNotFoundError: no such folder.
    """
    _, inputs = locate_source(store, photos, folder_fingerprint)
    version = version_of("photos", inputs, photos, CODE_VERSIONS["photos"])
    identity = crops.identity()
    return any(
        made.inputs.get("photos") == version and identity.items() <= made.config.items()
        for made in store.manifests("crops")
    )


def seconds_per_step(config: GanConfig) -> float:
    """Median seconds of a training step on this machine, after one that is not counted."""
    import numpy as np

    from palm_assets.gan.trainer import Trainer

    noise = np.random.default_rng(0).integers(
        0, 256, (config.batch, 3, config.image_size, config.image_size), np.uint8
    )
    trainer = Trainer(noise, config)
    times = []
    for _ in range(1 + TIMED_STEPS):
        started = time.perf_counter()
        trainer.step()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def _identified_by(folder: Path, photos: PhotosConfig) -> str:
    table = find_table(folder, find_candidates(folder).not_images)
    return f"by {table.name}" if table is not None else _IDENTIFIED_BY[cast(LoosePhotos, photos.loose_photos)]
