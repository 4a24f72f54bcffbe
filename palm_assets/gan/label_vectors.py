"""Labels as the networks see them: one-hot vectors for aspect and skin, all zeros where a label is not known.

Side is no input of the networks. All hands trained on have the thumb on the right, so the other side is the
mirror image, and the same hand to the pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from palm_assets.gan.hand_labels import ANY, LABELS, HandLabels

INPUTS = ("aspect", "skin")  # in the order of the vector


def input_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Those labels of a model that its networks see, in order."""
    return tuple(name for name in INPUTS if name in labels)


def label_size(labels: Sequence[str]) -> int:
    """Length L of a label vector; 0 for networks that see no labels."""
    return sum(len(LABELS[name]) for name in input_labels(labels))


def encode(labels: Sequence[str], hand: HandLabels) -> Tensor:
    """The label vector of one image, float32 (L,), for a model with these labels."""
    values = dict(hand.items())
    hot = [value == values[name] for name in input_labels(labels) for value in LABELS[name]]
    return torch.tensor(hot, dtype=torch.float32)


def encode_all(labels: Sequence[str], hands: Sequence[HandLabels]) -> Tensor:
    """Label vectors, float32 (N, L)."""
    return (
        torch.stack([encode(labels, hand) for hand in hands]) if hands else torch.zeros(0, label_size(labels))
    )


def combinations(labels: Sequence[str]) -> list[HandLabels]:
    """All K combinations of values that the networks can see; "any", for not known, is last in each label."""
    names = input_labels(labels)
    aspects = (*LABELS["aspect"], ANY) if "aspect" in names else (ANY,)
    skins = (*LABELS["skin"], ANY) if "skin" in names else (ANY,)
    return [HandLabels(aspect, ANY, skin) for aspect in aspects for skin in skins]


def shares(labels: Sequence[str], vectors: Tensor, weights: Tensor) -> Tensor:
    """Share of each combination among label vectors (N, L) with weights (N,): (K,), with the sum 1."""
    same = (vectors[:, None] == encode_all(labels, combinations(labels))).all(2)
    return (same * weights[:, None]).sum(0) / weights.sum()


def complete(labels: Sequence[str], asked: HandLabels, shares: Tensor, numbers: Tensor) -> HandLabels:
    """The labels of one image: what is asked for, and the rest drawn as often as it was trained on.

    A label that was never known in training stays open; so does one that the model does not have.

    Args:
        labels: that the model has.
        asked: what is asked for.
        shares: of each combination in training, (K,).
        numbers: three random ones in [0, 1): for aspect, skin and side. The same numbers give the same
            labels, also if some of these labels are asked for.
    """
    found = dict(asked.items())
    for name, number in zip(INPUTS, numbers.tolist(), strict=False):
        if found[name] == ANY and name in labels:
            found[name] = _draw(name, found, combinations(labels), shares, number)
    if found["side"] == ANY and "side" in labels:
        found["side"] = LABELS["side"][int(numbers[2] >= 0.5)]
    return HandLabels(**found)


def _draw(name: str, found: dict[str, str], rows: Sequence[HandLabels], shares: Tensor, number: float) -> str:
    """A value of one label, given those found so far."""
    weights = dict.fromkeys(LABELS[name], 0.0)
    for row, share in zip(rows, shares.tolist(), strict=True):
        values = row.known
        others = all(found[other] in (ANY, values.get(other, ANY)) for other in INPUTS if other != name)
        if name in values and others:
            weights[values[name]] += share
    total = sum(weights.values())
    if total == 0:
        return ANY
    rest = number * total
    for value, weight in weights.items():
        rest -= weight
        if rest < 0:
            return value
    return max(weights, key=lambda value: weights[value])
