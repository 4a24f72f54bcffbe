"""Labels of a hand: its aspect, side and skin tone; what a model can be asked for. Imported without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from palm_assets.errors import RequestError

LABELS: dict[str, tuple[str, ...]] = {
    "aspect": ("palm", "back"),
    "side": ("left", "right"),
    "skin": ("fair", "medium", "dark"),
}
"""The values of each label. A model knows some of the labels, `NetworkConfig.labels`."""

Subject = Literal["palm", "hand"]
"""What a set shows: palms alone; or hands, some or all of which may be seen from the back."""
ANY = "any"
_ASPECTS = {"palmar": "palm", "dorsal": "back"}
_SKINS = {"very fair": "fair", "fair": "fair", "medium": "medium", "dark": "dark"}


@dataclass(frozen=True)
class HandLabels:
    """What is asked for, where "any" leaves a label open; or what an image shows.

    Attributes:
        aspect: palm or back.
        side: left or right: whose hand it is, not where it stands on the image.
        skin: fair, medium or dark.

    Raises:
        RequestError: a label has no such value.
    """

    aspect: str = ANY
    side: str = ANY
    skin: str = ANY

    def __post_init__(self) -> None:
        for name, value in self.items():
            if value not in (*LABELS[name], ANY):
                raise RequestError(
                    f"There are no hands with {name} {value!r}",
                    hint=f"Ask for {', '.join(LABELS[name])} or any.",
                )

    def items(self) -> list[tuple[str, str]]:
        """Names and values of all labels."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]

    @property
    def known(self) -> dict[str, str]:
        """Names and values of the labels that are not left open."""
        return {name: value for name, value in self.items() if value != ANY}

    def limited_to(self, labels: Sequence[str]) -> HandLabels:
        """The same, with the labels that a model does not know left open."""
        return HandLabels(**{name: value for name, value in self.known.items() if name in labels})

    @property
    def thumb_left(self) -> bool:
        """Whether the thumb is on the left of an upright image; False if aspect or side is left open.

        It is for the palm of a left hand and the back of a right one.
        """
        return (self.aspect, self.side) in (("palm", "left"), ("back", "right"))

    def check(self, labels: Sequence[str], version: str) -> None:
        """Refuse what a model with these labels cannot be asked for.

        Raises:
            RequestError: a label that the model does not know is not left open.
        """
        for name, value in self.known.items():
            if name not in labels:
                raise RequestError(
                    f"The model {version} cannot be asked for {name} {value!r}",
                    hint=f"It can be asked for {', '.join(labels)}."
                    if labels
                    else "It draws any hand that it knows. Choose another model (`hands`, which comes with "
                    "the program, knows them all), or leave it out.",
                )


ANY_HAND = HandLabels()


def subject_of(labels: Sequence[str], asked: HandLabels = ANY_HAND) -> Subject:
    """What a model draws if it is asked for this.

    Args:
        labels: that the model has; one without `aspect` draws palms.
        asked: what is asked for.
    """
    return "palm" if "aspect" not in labels or asked.aspect == "palm" else "hand"


def from_metadata(aspect: str, side: str, skin: str) -> HandLabels:
    """Labels from a photograph's metadata in the words of `HandInfo.csv`; what is not known is "any"."""
    side = side if side in LABELS["side"] else ANY
    return HandLabels(_ASPECTS.get(aspect, ANY), side, _SKINS.get(skin.strip().lower(), ANY))
