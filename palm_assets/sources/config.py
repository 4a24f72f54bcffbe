"""Which photographs and which labeled palms to use: three kinds of source, one choice each."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from palm_assets.photos.index import Aspect

SourceKind = Literal["synthetic", "folder", "kaggle"]


class SourceConfig(BaseModel):
    """What both choices have in common.

    `drawn` needs nothing; `folder` needs `folder`; `kaggle` needs a Kaggle account and takes `kaggle_set`
    (owner/name) at `kaggle_version`, or at its newest version when that is not given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: SourceKind = "synthetic"
    folder: str | None = Field(None, description="for source: folder")
    kaggle_set: str = Field("", description="owner/name on Kaggle")
    kaggle_version: int | None = Field(None, ge=1)
    synthetic_size: int = Field(256, ge=64, le=1024, description="pixels, side of a drawn photo")
    seed: int = Field(0, ge=0, description="of drawn photos and of splits")

    @model_validator(mode="after")
    def _folder_is_named(self) -> Self:
        if self.source == "folder" and not self.folder:
            raise ValueError("source: folder needs `folder`, the path of your photographs")
        return self


class PhotosConfig(SourceConfig):
    """The photographs that palms are cut from."""

    kaggle_set: str = "shyambhu/hands-and-palm-images-dataset"
    synthetic_photos: int = Field(1600, ge=20, le=100_000)
    synthetic_people: int = Field(160, ge=2, le=10_000)
    aspects: list[str] = Field(["palmar", "unknown"], description="any of palmar, dorsal, unknown")
    max_set_aside: float = Field(0.1, ge=0, le=1, description="larger shares of unusable files are an error")
    max_megapixels: float = Field(64, gt=0, description="larger pictures are set aside")

    # Dagster's launchpad knows lists of text only, so the choice is checked here.
    @field_validator("aspects")
    @classmethod
    def _aspects_are_known(cls, aspects: list[str]) -> list[str]:
        if not aspects or not set(aspects) <= set(get_args(Aspect)):
            raise ValueError(f"aspects must be some of {', '.join(get_args(Aspect))}")
        return aspects


class BoxesConfig(SourceConfig):
    """The labeled pictures that the palm detector learns from: a YOLO export."""

    kaggle_set: str = "korff16/hands-and-palms-yolo-dataset"
    palm_class: str | None = Field(
        None, description="name of the class; not needed if only one speaks of palms"
    )
    synthetic_train: int = Field(480, ge=10, le=100_000)
    synthetic_valid: int = Field(80, ge=5, le=10_000)
    synthetic_test: int = Field(80, ge=5, le=10_000)
