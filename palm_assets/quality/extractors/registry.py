"""The feature extractors, and what has to be known of each before its network is loaded.

A new extractor is a module with its network and an entry here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ExtractorName = Literal["auto", "inception-v3", "efficientnet-lite0", "dinov2-vits14"]
"""`auto` is resolved by `weights.resolve_extractor`."""


@dataclass(frozen=True)
class WeightsFile:
    """A published weights file.

    Attributes:
        extractor: which network it belongs to.
        urls: where it can be downloaded, in order of preference.
        names: file names under which it may already be in the cache; a download gets the first.
        sha256: hash of its bytes.
        size: bytes.
    """

    extractor: str
    urls: tuple[str, ...]
    names: tuple[str, ...]
    sha256: str
    size: int


@dataclass(frozen=True)
class ExtractorSpec:
    """An extractor before it is loaded.

    Attributes:
        network: "module:class" of its network.
        preprocessing_version: raised whenever a change of the preprocessing or of the network moves the
            features.
        weights: the published file; None if the weights come with a Python package, in which case the class
            has a static method `packaged_weights` that returns their path.
        bfloat16: whether it may compute in bfloat16 where the CPU supports that.
    """

    network: str
    preprocessing_version: int
    weights: WeightsFile | None
    bfloat16: bool = False


INCEPTION_WEIGHTS = WeightsFile(
    "inception-v3",
    (
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    ),
    ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth"),
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    95_628_359,
)
DINOV2_WEIGHTS = WeightsFile(
    "dinov2-vits14",
    ("https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",),
    ("dinov2_vits14_pretrain.pth",),
    "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    88_283_115,
)

EXTRACTORS = {
    # bfloat16 takes half the time, and a metric moves by less than its spread if its reference was made in
    # bfloat16 too. That is why a reference records its precision.
    "inception-v3": ExtractorSpec(
        "palm_assets.quality.extractors.inception:Inception", 1, INCEPTION_WEIGHTS, bfloat16=True
    ),
    # Fast enough in float32. In bfloat16 its features move by 6 %: nearly as far as from a palm to its
    # nearest neighbor.
    "efficientnet-lite0": ExtractorSpec(
        "palm_assets.quality.extractors.efficientnet:EfficientNetLite0", 1, None
    ),
    "dinov2-vits14": ExtractorSpec("palm_assets.quality.extractors.dinov2:DinoV2", 1, DINOV2_WEIGHTS),
}
"""By name, without "auto"."""
