"""Who is on a photograph, and which side of the hand it shows, as its folders say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from palm_assets.errors import DatasetError
from palm_assets.photos.hand_info import Labels, Side
from palm_assets.sources.config import Aspect

_SIDES: dict[str, Side] = {
    "left": "left", "l": "left", "lh": "left", "левая": "left", "левой": "left", "левые": "left",
    "right": "right", "r": "right", "rh": "right", "правая": "right", "правой": "right", "правые": "right",
}  # fmt: skip
_ASPECTS: dict[str, Aspect] = {
    "palm": "palmar", "palms": "palmar", "palmar": "palmar", "ладонь": "palmar", "ладони": "palmar",
    "back": "dorsal", "backs": "dorsal", "dorsal": "dorsal", "dorsum": "dorsal",
    "тыл": "dorsal", "тыльная": "dorsal",
}  # fmt: skip
_FILLERS = frozenset({"hand", "hands", "side", "sides", "of", "the", "рука", "руки", "сторона", "стороны"})
"""Words that stand beside a side or an aspect in the name of a folder, but are none themselves."""


def labels_of(image: str, *, person_level: int = 1, by_file_name: bool = False) -> Labels:
    """Labels of an image, by the folders of its path below the root of the set.

    The person is the name of the folder at `person_level`, counted from the root. Folders that name a side
    or an aspect of the hand (left, right, palm, back, ...) are not counted. An image with fewer folders
    belongs to the last one it has. One without any is a person of its own, or of all whose file names begin
    alike, if `by_file_name`: up to the first space, hyphen or underscore, or without the digits at the end.
    """
    path = PurePosixPath(image)
    words = [word for folder in path.parts[:-1] if names_hand(folder) for word in _words(folder)]
    people = [folder for folder in path.parts[:-1] if not names_hand(folder)]
    if people:
        person = people[min(person_level, len(people)) - 1]
    else:
        person = _beginning(path.stem) if by_file_name else path.name
    side: Side = next((_SIDES[word] for word in reversed(words) if word in _SIDES), "unknown")
    aspect: Aspect = next((_ASPECTS[word] for word in reversed(words) if word in _ASPECTS), "unknown")
    return Labels(person, aspect, side, "unknown")


def names_hand(folder: str) -> bool:
    """Whether a folder's name is a side or an aspect of the hand, such as "Right_Hand", and not a person."""
    named = [word for word in _words(folder) if word not in _FILLERS]
    return bool(named) and all(word in _SIDES or word in _ASPECTS for word in named)


def check_spelling(root: Path, people: Iterable[str]) -> None:
    """Refuse two people whose names differ in spelling alone: they may be one person.

    That is in case, blanks, Unicode composition, or how a number is written (7, 07, 7.0). Such names meet
    when sets of computers with other rules for names are merged, or a spreadsheet has saved the table.

    Args:
        root: folder of the set.
        people: names that folders, a table or file names give.

    Raises:
        DatasetError: there are two.
    """
    spelled: dict[str, str] = {}
    for person in sorted(people):
        other = spelled.setdefault(_spelling(person), person)
        if other != person:
            raise DatasetError(
                f"Are {other!a} and {person!a} one person? The names differ in spelling alone: case, blanks, "
                "zeros or Unicode composition",
                where=root,
                hint="Nobody may be both trained on and held out. Write the name of one person in one way "
                "(folder, file name, id in HandInfo.csv), or give two people names that differ in a letter.",
            )


def _spelling(person: str) -> str:
    """What names that differ in spelling alone have in common."""
    name = " ".join(unicodedata.normalize("NFKC", person).casefold().split())
    number = re.fullmatch(r"0*([0-9]+)(\.0+)?", name)
    return number[1] if number is not None else unicodedata.normalize("NFC", name)


def _words(folder: str) -> list[str]:
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFC", folder).casefold())


def has_person_folder(image: str) -> bool:
    """Whether one of the folders of an image names a person."""
    return not all(names_hand(folder) for folder in PurePosixPath(image).parts[:-1])


def _beginning(stem: str) -> str:
    first, *rest = re.split(r"[\s_-]", stem, maxsplit=1)
    return (first if rest else first.rstrip("0123456789")) or stem
