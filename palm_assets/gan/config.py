"""Configuration of the DCGAN: `NetworkConfig` for the architecture, `GanConfig` for the whole recipe."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from palm_assets.gan.hand_labels import LABELS
from palm_assets.store.identity import StageConfig, operational

MAX_SEED = 2**53  # JSON and JavaScript represent every integer up to this exactly
NEWER_FIELDS = ("labels", "balance_aspects", "balance_skins")  # they are off by default
AUGMENTATIONS = ("color", "rotation", "translation", "cutout")


class NetworkConfig(StageConfig):
    """Architecture of both networks (Radford et al. 2015, arXiv:1511.06434).

    The generator starts from a 4x4 feature map and doubles its side up to `image_size`; the discriminator
    halves it down to `discriminator_bottom`. The layer next to the image has `*_width` channels; the number
    doubles with each layer away from it, up to `max_width`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    image_size: int = Field(64, ge=16, le=512, description="side of an image in pixels; a power of two")
    latent: int = Field(128, ge=2, le=4096, description="size of the latent vector")
    generator_width: int = Field(
        32, ge=4, le=256, description="channels of the generator's last hidden layer"
    )
    discriminator_width: int = Field(
        32, ge=4, le=256, description="channels of the discriminator's first layer"
    )
    max_width: int = Field(512, ge=8, le=4096, description="most channels of any layer")
    output_activation: Literal["tanh", "smoothstep"] = Field(
        "tanh", description="maps the generator's last layer to [-1, 1]"
    )
    padding_mode: Literal["zeros", "replicate"] = Field(
        "zeros",
        description="padding of generator feature maps of 32 px and larger",
    )
    output_smoothing: float = Field(
        0,
        ge=0,
        le=0.25,
        description="low-pass on generated images: weight of each neighboring pixel; 0 is off",
    )
    discriminator_bottom: int = Field(
        4, ge=4, le=8, multiple_of=4, description="side of the discriminator's last feature map in pixels"
    )
    discriminator_norm: Literal["batch", "spectral", "none"] = Field(
        "none", description="normalization of the discriminator's layers"
    )
    minibatch_stddev: bool = Field(
        False,
        description="let the discriminator see the standard deviation over a batch (Karras et al. 2017)",
    )
    labels: list[str] = Field(
        [],
        description="what a user can ask for: any of aspect (palm or back), side (left or right; needs "
        "aspect and `mirror: false`), skin (fair, medium or dark); empty for a model that draws any hand",
    )

    @field_validator("labels")
    @classmethod
    def _labels_are_known(cls, labels: list[str]) -> list[str]:
        if not set(labels) <= set(LABELS):
            raise ValueError(f"labels must be some of {', '.join(LABELS)}")
        if "side" in labels and "aspect" not in labels:  # left palms look like backs of right hands do
            raise ValueError("labels with `side` need `aspect`, too")
        return [name for name in LABELS if name in labels]

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
    """The recipe: the architecture of both networks, and how they are trained."""

    start: str = operational(
        "scratch",
        reason="the version of the model is the input `start`",
        pattern=r"^[a-z0-9-]+$",
        description="initial weights: scratch, starter, hands, or the version of a model with these "
        "networks, half the image size, or twice",
    )
    allow_leak: bool = operational(
        False,
        reason="it decides whether a training is refused; a leak is recorded from the people themselves",
        description="start even from a model that was trained on people who are held out here; its metrics "
        "are then too good, and its card and the page say so",
    )
    kimg: float = Field(
        80, gt=0, description="length of training, in thousands of real images shown to the discriminator"
    )
    batch: int = Field(16, ge=2, le=1024, description="images per step")
    loss: Literal["softplus", "hinge", "relativistic"] = Field(
        "softplus",
        description="softplus (non-saturating), hinge, or relativistic (pairs of real and fake, as in R3GAN)",
    )
    r1: float = Field(0.02, ge=0, description="weight of the gradient penalty on real images (R1); 0 is off")
    r2: float = Field(
        0, ge=0, description="weight of the gradient penalty on generated images (R2); 0 is off"
    )
    penalty_every: int = Field(
        16, ge=1, description="steps between gradient penalties, which are weighted up to make up for it"
    )
    mirror: bool = Field(
        True, description="mirror half of the real images, which turns left palms into right ones"
    )
    balance_aspects: float = Field(
        0,
        ge=0,
        le=1,
        description="how evenly palms and backs are drawn in training: 0 as they occur, 1 equally often",
    )
    balance_skins: float = Field(
        0,
        ge=0,
        le=1,
        description="how evenly skin tones are drawn among palms, and among backs: 0 as they occur, 1 equally"
        " often; crops of unknown skin count as a tone",
    )
    augment: list[str] = Field(
        ["color", "translation"],
        description="kinds of differentiable augmentation: any of color, rotation, translation, cutout",
    )
    augment_probability: float = Field(
        0.7, ge=0, le=1, description="probability of each kind for each image; the initial value if it adapts"
    )
    augment_color: float = Field(
        0.4,
        ge=0,
        le=1,
        description="strength of the color augmentation; at higher strength, skin tones are not learned",
    )
    augment_target: float = Field(
        0,
        ge=0,
        lt=1,
        description="adapt the probability to keep ADA's overfitting heuristic at this value; 0 is off",
    )
    augment_kimg: float = Field(
        250, gt=0, description="thousands of images in which an adaptive probability can go from 0 to 1"
    )
    generator_lr: float = Field(5e-4, gt=0, lt=1, description="Adam's learning rate of the generator")
    discriminator_lr: float = Field(1e-3, gt=0, lt=1, description="Adam's learning rate of the discriminator")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's decay of the first moment")
    beta2: float = Field(0.99, ge=0, lt=1, description="Adam's decay of the second moment")
    even_upsampling: bool = Field(
        False,
        description="keep the generator's upsampling weights free of checkerboards (Odena 2016)",
    )
    ema_kimg: float = Field(
        10,
        gt=0,
        description="half-life of the generator's EMA in thousands of images; the discriminator's is a tenth",
    )
    ema_rampup: float = Field(
        0.1, gt=0, description="the half-life is at most this share of the images seen so far"
    )
    seed: int = Field(0, ge=0, description="seed of the weights, the batches and the augmentations")
    snapshot_kimg: float = Field(10, gt=0, description="thousands of images between sample grids")
    save_minutes: float = operational(
        2,
        reason="a training that resumes computes what one without a break does",
        gt=0,
        description="minutes between saves of the resumable state",
    )
    device: Literal["auto", "cpu", "cuda"] = operational(
        "auto",
        reason="random numbers come from the CPU, so devices differ in rounding alone",
        description="where to train; auto prefers CUDA",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="precision of the convolutions; auto is bfloat16 where the hardware supports it natively",
    )

    # A list of literals has no form in Dagster's launchpad, a list of strings has: so they are checked here.
    @field_validator("augment")
    @classmethod
    def _augmentations_are_known(cls, augment: list[str]) -> list[str]:
        if not set(augment) <= set(AUGMENTATIONS):
            raise ValueError(f"augment must be some of {', '.join(AUGMENTATIONS)}")
        return augment

    @model_validator(mode="after")
    def _sides_are_kept(self) -> Self:
        if "side" in self.labels and self.mirror:
            raise ValueError("labels with `side` need `mirror: false`, as mirrored palms have another side")
        return self

    def identity(self) -> dict[str, Any]:
        """Augmentations have an order of their own; models without labels keep the versions that they had."""
        fields = {**super().identity(), "augment": sorted(set(self.augment))}
        return {name: value for name, value in fields.items() if value or name not in NEWER_FIELDS}

    def networks(self) -> NetworkConfig:
        """The architecture alone, without the recipe."""
        return NetworkConfig(**{name: getattr(self, name) for name in NetworkConfig.model_fields})
