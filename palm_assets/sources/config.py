"""Which photographs and which labeled palms to use: three kinds of source, one choice for each."""

from __future__ import annotations

import os
from typing import Any, Literal, Self, get_args

from pydantic import Field, field_serializer, field_validator, model_validator

from palm_assets.store.identity import StageConfig, operational

Aspect = Literal["palmar", "dorsal", "unknown"]
SourceKind = Literal["synthetic", "folder", "kaggle"]
LoosePhotos = Literal["refuse", "each_a_person", "by_file_name"]
BoxesSourceKind = Literal["synthetic", "folder", "kaggle", "none"]
_CONTENT = "the content of the files is the input `files`"


class SourceConfig(StageConfig):
    """What the choices of photographs and of labeled palms have in common.

    `synthetic` needs nothing; `folder` needs `folder`; `kaggle` downloads `kaggle_set` (owner/name) at
    `kaggle_version`, or at its newest version if none is given.
    """

    source: SourceKind = Field(
        "synthetic",
        description="Where the images come from: rendered here (synthetic), a folder, or a Kaggle data set.",
    )
    folder: str | None = operational(
        None,
        reason=_CONTENT,
        description="Path of the images, or of a ZIP or tar of them; used with `source: folder` only.",
    )
    kaggle_set: str = operational(
        "",
        reason=_CONTENT,
        description="Data set on Kaggle as owner/name; used with `source: kaggle` only.",
    )
    kaggle_version: int | None = operational(
        None,
        reason=_CONTENT,
        ge=1,
        description="Version of the Kaggle data set; without one, the newest is downloaded.",
    )
    synthetic_size: int = Field(
        256, ge=64, le=1024, description="Side of a rendered image in pixels; used with `source: synthetic`."
    )
    seed: int = Field(
        0, ge=0, description="Seed of the rendered images and of the split of labeled images that lack one."
    )
    max_set_aside: float = operational(
        0.1,
        reason="it refuses a set and changes none; what was indexed before is held to it again",
        ge=0,
        le=1,
        description="Largest share of unusable files (damaged, unreadable, badly labeled) that is accepted; "
        "above it the step fails and lists the reasons.",
    )
    max_megapixels: float = Field(
        64, gt=0, description="Images with more million pixels than this are set aside as too large."
    )

    def identity(self) -> dict[str, Any]:
        """What concerns rendered images matters only if images are rendered."""
        fields = super().identity()
        if self.source == "synthetic":
            return fields
        return {name: value for name, value in fields.items() if not name.startswith("synthetic_")}

    @field_serializer("folder", when_used="json")
    def _folder_in_utf_8(self, folder: str | None) -> str | None:
        """Bytes of the path that are not UTF-8 become escapes, for JSON cannot hold them."""
        return None if folder is None else os.fsencode(folder).decode("utf-8", "backslashreplace")

    @model_validator(mode="after")
    def _folder_is_named(self) -> Self:
        if self.source == "folder" and not self.folder:
            raise ValueError("source: folder needs `folder`, the path of your images")
        return self


class PhotosConfig(SourceConfig):
    """The photographs that palms are cropped from."""

    kaggle_set: str = operational(
        "shyambhu/hands-and-palm-images-dataset",
        reason=_CONTENT,
        description="Data set of photographs on Kaggle as owner/name; used with `source: kaggle` only.",
    )
    synthetic_photos: int = Field(
        1600, ge=20, le=100_000, description="Number of photographs to render; used with `source: synthetic`."
    )
    synthetic_people: int = Field(
        160,
        ge=2,
        le=10_000,
        description="Number of people on the rendered photographs, each on equally many.",
    )
    aspects: list[str] = Field(
        ["palmar", "unknown"],
        description="Sides of the hand to keep: any of palmar, dorsal, unknown (where no label says).",
    )
    person_level: int = Field(
        1,
        ge=1,
        le=20,
        description="Which folder below the root names the person, if there is no HandInfo.csv: 1 is the "
        "first. Folders such as left, right, palm and back are not counted.",
    )
    # Not a Literal, because Dagster takes no choice from an environment variable.
    loose_photos: str = Field(
        "refuse",
        pattern=f"^({'|'.join(get_args(LoosePhotos))})$",
        description="Who is on photographs that lie in no folder and have no id in HandInfo.csv. refuse: few "
        "are set aside, many stop the run; each_a_person: a different person on each; by_file_name: the "
        "person is the file's name up to a space, hyphen or underscore, or without the digits at its end.",
    )

    def identity(self) -> dict[str, Any]:
        """A seed is that of rendered photographs, whose people no folder names."""
        unused = ("person_level", "loose_photos") if self.source == "synthetic" else ("seed",)
        fields = {**super().identity(), "aspects": sorted(set(self.aspects))}
        return {name: value for name, value in fields.items() if name not in unused}

    @model_validator(mode="after")
    def _everybody_has_a_photo(self) -> Self:
        if self.source == "synthetic" and self.synthetic_people > self.synthetic_photos:
            raise ValueError("synthetic_people is larger than synthetic_photos: everybody needs a photograph")
        return self

    # Dagster's launchpad knows lists of text only, so the choice is checked here.
    @field_validator("aspects")
    @classmethod
    def _aspects_are_known(cls, aspects: list[str]) -> list[str]:
        if not aspects or not set(aspects) <= set(get_args(Aspect)):
            raise ValueError(f"aspects must be some of {', '.join(get_args(Aspect))}")
        return aspects


class BoxesConfig(SourceConfig):
    """The labeled images that the palm detector is trained on: a YOLO export, or none at all."""

    source: BoxesSourceKind = Field(  # type: ignore[assignment]  # one more than other sources have
        "synthetic",
        description="Where the labeled images come from: rendered here (synthetic), a folder, or a Kaggle "
        "data set. With none, no detector is trained: palm_detector needs `start: starter`.",
    )
    kaggle_set: str = operational(
        "korff16/hands-and-palms-yolo-dataset",
        reason=_CONTENT,
        description="YOLO export of labeled palms on Kaggle as owner/name; used with `source: kaggle` only.",
    )
    palm_classes: list[str] = Field(
        [],
        description="Names of the classes that are palms; several count as one. Empty: the only class, or "
        "the only one whose name contains palm or hand.",
    )
    synthetic_train: int = Field(
        480,
        ge=10,
        le=100_000,
        description="Number of training images to render; used with `source: synthetic`.",
    )
    synthetic_valid: int = Field(
        80,
        ge=5,
        le=10_000,
        description="Number of validation images to render; used with `source: synthetic`.",
    )
    synthetic_test: int = Field(
        80, ge=5, le=10_000, description="Number of test images to render; used with `source: synthetic`."
    )

    def identity(self) -> dict[str, Any]:
        """Classes are named in any order and case; without labeled images nothing else matters."""
        if self.source == "none":
            return {"source": self.source}
        return {
            **super().identity(),
            "palm_classes": sorted({name.strip().lower() for name in self.palm_classes}),
        }
