"""Who is on a photograph, and which side of the hand it shows, as its folders say."""

from __future__ import annotations

from pathlib import PurePosixPath

from palm_assets.photos.hand_info import Labels, Side
from palm_assets.sources.config import Aspect

_SIDES: dict[str, Side] = {
    "left": "left", "l": "left", "lh": "left", "left hand": "left", "left palm": "left",
    "right": "right", "r": "right", "rh": "right", "right hand": "right", "right palm": "right",
}  # fmt: skip
_ASPECTS: dict[str, Aspect] = {
    "palm": "palmar", "palms": "palmar", "palmar": "palmar", "left palm": "palmar", "right palm": "palmar",
    "back": "dorsal", "backs": "dorsal", "dorsal": "dorsal", "dorsum": "dorsal",
}  # fmt: skip


def labels_of(image: str, *, person_level: int = 1) -> Labels:
    """Labels of an image, by the folders of its path below the root of the set.

    The person is the name of the folder at `person_level`, counted from the root. Folders that name a side
    or an aspect of the hand (left, right, palm, back, ...) are not counted. An image with fewer folders
    belongs to the last one it has; one without any is a person of its own.
    """
    path = PurePosixPath(image)
    words = [_words(folder) for folder in path.parts[:-1]]
    people = [
        folder
        for folder, word in zip(path.parts[:-1], words, strict=True)
        if word not in _SIDES and word not in _ASPECTS
    ]
    person = people[min(person_level, len(people)) - 1] if people else path.name
    side: Side = next((_SIDES[word] for word in reversed(words) if word in _SIDES), "unknown")
    aspect: Aspect = next((_ASPECTS[word] for word in reversed(words) if word in _ASPECTS), "unknown")
    return Labels(person, aspect, side, "unknown")


def _words(folder: str) -> str:
    return " ".join(folder.lower().replace("_", " ").replace("-", " ").split())
