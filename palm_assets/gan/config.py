"""The knobs of the DCGAN: one object for the networks, one for the recipe."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MAX_SEED = 2**53  # what JSON, JavaScript and a link carry without loss
AUGMENTATIONS = ("colour", "rotation", "translation", "cutout")


class NetworkConfig(BaseModel):
    """The shape of both networks (Radford et al. 2015, arXiv:1511.06434).

    The generator starts at 4x4 and doubles its side until `image_size`; the discriminator halves it down to
    `discriminator_bottom`. The layer next to the picture has `*_width` channels, and each step away from it
    has twice as many, up to `max_width`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    image_size: int = Field(64, ge=16, le=512, description="pixels, a power of two")
    latent: int = Field(128, ge=2, le=4096, description="size of the latent vector")
    generator_width: int = Field(32, ge=4, le=256)
    discriminator_width: int = Field(32, ge=4, le=256)
    max_width: int = Field(512, ge=8, le=4096)
    squash: Literal["tanh", "smoothstep"] = Field(
        "tanh", description="how the generator keeps to the range of pixels; see gan/networks.py"
    )
    border: Literal["zeros", "replicate"] = Field(
        "zeros", description="what the generator's maps, from 32 pixels on, go on with beyond their border"
    )
    softening: float = Field(
        0, ge=0, le=0.25, description="of a drawn pixel, the share of each neighbour; see gan/networks.py"
    )
    discriminator_bottom: int = Field(
        4, ge=4, le=8, multiple_of=4, description="side of the last feature map"
    )
    discriminator_norm: Literal["batch", "spectral", "none"] = "none"
    minibatch_stddev: bool = Field(
        False, description="let the discriminator see a batch's variety (Karras 2017)"
    )

    @model_validator(mode="after")
    def _size_is_a_power_of_two(self) -> Self:
        if math.log2(self.image_size) % 1:
            raise ValueError(f"image_size must be a power of two, not {self.image_size}")
        return self


PUBLISHED_NETWORKS = NetworkConfig(
    image_size=256,
    latent=500,
    generator_width=64,
    discriminator_width=64,
    max_width=2048,
    discriminator_bottom=8,
    discriminator_norm="batch",
)


class GanConfig(NetworkConfig):
    """The recipe: the networks' shape and how they are trained."""

    start: str = Field(
        "scratch",
        pattern=r"^[a-z0-9-]+$",
        description="scratch, starter, or a version of `models`: of these networks, or of half the size",
    )
    kimg: float = Field(80, gt=0, description="thousands of photographs shown to the discriminator")
    batch: int = Field(16, ge=2, le=1024, description="small: as many photographs make more steps")
    loss: Literal["softplus", "hinge", "relativistic"] = Field("softplus", description="see gan/losses.py")
    r1: float = Field(0.02, ge=0, description="weight of the gradient penalty on photographs; 0 is off")
    r2: float = Field(0, ge=0, description="weight of the gradient penalty on generated images; 0 is off")
    penalty_every: int = Field(16, ge=1, description="steps between penalties, each weighted up accordingly")
    mirror: bool = Field(
        True, description="show each photograph as it is or mirrored: a left palm for a right"
    )
    augment: list[str] = Field(
        ["colour", "translation"],
        description="any of colour, rotation, translation, cutout; see gan/augment.py",
    )
    augment_probability: float = Field(
        0.7, ge=0, le=1, description="of each kind for each image; where training starts if it adapts"
    )
    augment_colour: float = Field(
        0.4, ge=0, le=1, description="how far colours are changed; more, and skin tones are not learnt"
    )
    augment_target: float = Field(
        0, ge=0, lt=1, description="adapt the probability to hold the sign of D's logits here (ADA); 0 is off"
    )
    augment_kimg: float = Field(
        250, gt=0, description="thousands of images in which an adapting probability can go from 0 to 1"
    )
    generator_lr: float = Field(5e-4, gt=0, lt=1)
    discriminator_lr: float = Field(1e-3, gt=0, lt=1)
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.99, ge=0, lt=1)
    even_upsampling: bool = Field(
        False, description="keep the generator's weights from drawing checkerboards; see gan/networks.py"
    )
    ema_kimg: float = Field(
        10,
        gt=0,
        description="half-life of the averaged generator, which draws, in thousands of images; that of the "
        "averaged discriminator, which scores, is a tenth of it",
    )
    ema_rampup: float = Field(
        0.1, gt=0, description="the half-life is at most this share of what was seen so far"
    )
    seed: int = Field(0, ge=0)
    snapshot_kimg: float = Field(10, gt=0, description="thousands of images between sample grids")
    save_minutes: float = Field(2, gt=0, description="minutes between savings of the resumable state")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the convolutions; auto is bfloat16 where the processor computes in it"
    )

    # Dagster's launchpad knows lists of text only, so the choice is checked here.
    @field_validator("augment")
    @classmethod
    def _augmentations_are_known(cls, augment: list[str]) -> list[str]:
        if not set(augment) <= set(AUGMENTATIONS):
            raise ValueError(f"augment must be some of {', '.join(AUGMENTATIONS)}")
        return augment

    def networks(self) -> NetworkConfig:
        """The part that describes the networks alone."""
        return NetworkConfig(**{name: getattr(self, name) for name in NetworkConfig.model_fields})
