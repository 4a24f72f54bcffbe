"""Who is trained on, who chooses the checkpoint, and who a model is measured on: three groups of people."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from palm_assets.crops.config import CropConfig
from palm_assets.errors import DatasetError

Split = Literal["train", "validation", "test"]
SplitLabel = Literal["train", "validation", "shared", "test"]
"""Split of one crop; "shared" belongs to validation and to test, where there are too few people for both."""
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
LABELS: tuple[SplitLabel, ...] = ("train", "validation", "shared", "test")
"""In the order of the packed crops, so that each split is a contiguous range of rows."""


@dataclass(frozen=True)
class PeopleSplit:
    """The people of each split.

    Attributes:
        train: people whose crops are trained on.
        validation: people whose crops choose the checkpoint and calibrate the score.
        test: people whose crops set the floor of the metrics; nothing is chosen by them.
    """

    train: frozenset[str]
    validation: frozenset[str]
    test: frozenset[str]

    @property
    def held_out(self) -> frozenset[str]:
        """Everybody who is not trained on."""
        return self.validation | self.test

    @property
    def shared(self) -> bool:
        """Whether the same people are in validation and test, because there are too few for both."""
        return bool(self.validation & self.test)

    def label(self, person: str) -> SplitLabel:
        """The split of a person's crops."""
        if person in self.test:
            return "shared" if person in self.validation else "test"
        return "validation" if person in self.validation else "train"


def assign_people(people: Collection[str], config: CropConfig, known: Collection[str] = ()) -> PeopleSplit:
    """Assign each person to a split, by a pseudo-random number that depends on the seed and the person alone.

    People with a number in [0, 1) below `test_share` are in test, the next up to `test_share +
    validation_share` in validation, all others in train. So newcomers move nobody.

    Small sets need more rules. Where the shares give test or validation fewer than `min_split_people`, the
    people with the next larger numbers fill them up, test first; newcomers can then move somebody from test
    to validation or from either to train, never the other way. With fewer than four times `min_split_people`
    people, the same ones are in validation and test. At least `min_split_people` are trained on, but at most
    half of everybody, if the shares leave fewer.

    Args:
        people: everybody.
        config: the seed and the shares.
        known: people who are in train whatever their number; the rules are applied to the others.

    Raises:
        DatasetError: fewer than two people, or two who may be held out.
    """
    strangers = set(people) - set(known)
    if len(people) > 1 and len(strangers) < 2:
        raise DatasetError(
            f"The starter was trained on {len(people) - len(strangers)} of these {len(people)} people, so "
            "nobody is left to be held out of training",
            hint="Add photographs of other people; or train with `start: scratch` and `hold_out: anyone`.",
        )
    if len(people) < 2:
        raise DatasetError(
            "All photographs are of one person, so nobody can be held out of training",
            hint="Add photographs of other people, one subfolder for each, or correct `person_level`.",
        )
    numbers = {person: _number(person, config.seed) for person in strangers}
    ranked = sorted(numbers, key=lambda person: (numbers[person], person))
    least, half = config.min_split_people, len(ranked) // 2
    shared = 2 * least > half
    below_test = sum(number < config.test_share for number in numbers.values())
    below_both = sum(number < config.test_share + config.validation_share for number in numbers.values())

    most = len(ranked) - min(least, len(ranked) - half)
    if shared:
        both = min(max(below_both, min(least, half)), most)
        everybody_else = frozenset(ranked[:both])
        return PeopleSplit(frozenset(people) - everybody_else, everybody_else, everybody_else)
    test = max(below_test, least)
    held_out = min(max(below_both, test + least), most)
    test = min(test, held_out - least)
    return PeopleSplit(
        frozenset(people) - frozenset(ranked[:held_out]),
        frozenset(ranked[test:held_out]),
        frozenset(ranked[:test]),
    )


def _number(person: str, seed: int) -> float:
    """A number in [0, 1)."""
    digest = hashlib.sha256(f"{seed}:{person}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:6]) / 2**48
