"""The people whom a model was trained on, recorded beside its weights as hashes.

A model that starts from another one may know people who are held out of its own training: the record of the
model that it starts from shows them.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palm_assets.errors import CheckpointError

PEOPLE_FILE = "people.json"
SALT = "palms-people-1"


@dataclass(frozen=True)
class PeopleRecord:
    """The people whom a model was trained on.

    Attributes:
        hashes: `hash_of` each of them, those of the models that training started from included.
        complete: whether these are all; False if a model that it started from has no record.
    """

    hashes: frozenset[str]
    complete: bool

    def including(self, people: Collection[str], population: str) -> PeopleRecord:
        """The record of a model that starts from this one and is trained on these people."""
        return PeopleRecord(self.hashes | {hash_of(person, population) for person in people}, self.complete)

    def known_among(self, people: Collection[str], population: str) -> frozenset[str]:
        """Those of these people whom the model was trained on, in whatever case their names are written.

        Copying a folder between computers may compose accents anew (Unicode NFC and NFD).
        """
        return frozenset(
            person
            for person in people
            if any(hash_of(name, population) in self.hashes for name in _spellings(person))
        )

    def overlap(self, held_out: Collection[str], population: str) -> HeldOutOverlap:
        """How many of these people the model was trained on."""
        return HeldOutOverlap(len(self.known_among(held_out, population)), not self.complete)


NOBODY = PeopleRecord(frozenset(), complete=True)


@dataclass(frozen=True)
class HeldOutOverlap:
    """Whether a model was trained on people whom it is measured against.

    Attributes:
        people: number of people held out who are known to be trained on.
        unknown: whether there may be more, because not all people are on record.
    """

    people: int
    unknown: bool


NO_OVERLAP = HeldOutOverlap(0, unknown=False)


def _spellings(name: str) -> set[str]:
    cases = {name, name.lower(), name.upper(), name.title(), name.capitalize()}
    return cases | {unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD")}


def hash_of(person: str, population: str) -> str:
    """A hash of a person, the same for every model; it hides a name from a glance, not from a search.

    Args:
        person: as the photographs name them.
        population: the people among whom equal names are the same person.
    """
    return hashlib.sha256(f"{SALT}:{population}:{person}".encode(errors="surrogateescape")).hexdigest()


def population_of(crops_facts: Mapping[str, Any]) -> str:
    """Among whom equal names mean the same person, from the facts of crops."""
    return str(crops_facts.get("population", "photographs"))


def write_people(record: PeopleRecord, folder: Path) -> None:
    """Write `people.json` beside the weights."""
    content = {"complete": record.complete, "people": sorted(record.hashes)}
    (folder / PEOPLE_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_people(folder: Path) -> PeopleRecord:
    """Read `people.json`; without one, as in a model that was imported, nobody is known.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / PEOPLE_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return PeopleRecord(frozenset(map(str, content["people"])), bool(content["complete"]))
    except FileNotFoundError:
        return PeopleRecord(frozenset(), complete=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            "The record of the people whom the model was trained on cannot be read",
            where=path,
            hint="Make the model again, or start from another one.",
        ) from error
