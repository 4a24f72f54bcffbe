"""Does a conditional model draw what it is asked for? Told by a classifier that has seen photographs only.

The classifier is a logistic regression on features of EfficientNet-Lite0 and on the pixels of the image at
16x16, fitted on the crops of the people in training, and tested on those of validation and test. One is
fitted for each label: aspect; the side of the image on which the thumb is (each crop and its mirror image);
and skin, for palms and backs apart, as their tones differ. Rare classes weigh as much as frequent ones. Skin
bands of `HandInfo.csv` overlap, so the accuracy on photographs is the most that a model can reach there.

For each value of a label, images are generated with this value and the other labels left open. A kernel
distance to the crops of people held out is given for palms and backs apart, where there are at least 20.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from palm_assets.crops.extraction import Crops, read_crops
from palm_assets.crops.splits import Split
from palm_assets.gan.hand_labels import LABELS, HandLabels
from palm_assets.gan.labeled_crops import hands_of
from palm_assets.gan.sampler import PalmModel
from palm_assets.image_grid import grid
from palm_assets.quality.features import Extractor, Features, extract, load_extractor
from palm_assets.quality.kid import kernel_distance
from palm_assets.release.model_loader import load_model

SEED = 7 * 10**9
WEIGHT_DECAY = 0.003
STEPS = 60
MIN_HELD_OUT = 20
STRIP = 12
PIXELS = 16


class Classifier:
    """A logistic regression on standardized features, with classes weighted alike."""

    def __init__(self, features: Features, labels: Sequence[str]) -> None:
        self.classes = sorted(set(labels))
        self._mean, self._scale = features.mean(0), features.std(0) + 1e-6
        inputs = self._standardized(features)
        targets = torch.tensor([self.classes.index(label) for label in labels])
        weights = len(targets) / (len(self.classes) * torch.bincount(targets)).float()
        self._layer = torch.nn.Linear(features.shape[1], len(self.classes))
        optimizer = torch.optim.LBFGS(self._layer.parameters(), max_iter=STEPS, line_search_fn="strong_wolfe")

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(self._layer(inputs), targets, weights)
            loss = loss + WEIGHT_DECAY * self._layer.weight.square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)

    def __call__(self, features: Features) -> list[str]:
        """The class of each row."""
        with torch.inference_mode():
            return [self.classes[i] for i in self._layer(self._standardized(features)).argmax(1).tolist()]

    def _standardized(self, features: Features) -> torch.Tensor:
        return torch.from_numpy((features - self._mean) / self._scale).float()


class Photographs:
    """Features of all crops and of their mirror images, and what the crops show."""

    def __init__(self, crops: Crops, extractor: Extractor) -> None:
        self.crops, self.hands = {}, {}
        self.features: dict[str, Features] = {}
        self.mirrored: dict[str, Features] = {}
        splits: tuple[Split, ...] = ("train", "validation", "test")
        for split in splits:
            images = np.array(getattr(crops, split))
            self.hands[split] = hands_of(crops, split)
            self.features[split] = described(extractor, images)
            self.mirrored[split] = described(extractor, np.ascontiguousarray(images[..., ::-1]))

    def of(self, splits: Sequence[str], label: str, aspect: str = "") -> tuple[Features, list[str]]:
        """Features and values of a label, where both are known; "thumb" is its side on the image."""
        rows: list[np.ndarray] = []
        values: list[str] = []
        for split in splits:
            pairs = zip(self.hands[split], self.features[split], self.mirrored[split], strict=True)
            for hand, plain, mirrored in pairs:
                if aspect and hand.aspect != aspect:
                    continue
                if label == "thumb":
                    if {"aspect", "side"} <= hand.known.keys():
                        rows += [plain, mirrored]
                        values += ["left", "right"] if hand.thumb_left else ["right", "left"]
                elif label in hand.known:
                    rows.append(plain)
                    values.append(hand.known[label])
        return np.stack(rows), values


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("crops", type=Path, help="folder of crops, with HandInfo.csv labels")
    parser.add_argument("--model", metavar="NAME", help="version, folder or name of a conditional model")
    parser.add_argument("--count", type=int, default=500, help="images of each kind (default: 500)")
    parser.add_argument("--strip", type=Path, help="PNG of the same latents under each label")
    args = parser.parse_args()
    model = load_model(args.model)
    if not model.labels:
        parser.error(f"the model {model.version} has no labels")
    torch.manual_seed(0)
    extractor = load_extractor("efficientnet-lite0")
    photographs = Photographs(read_crops(args.crops), extractor)

    aspect = fitted(photographs, "aspect")
    thumb = fitted(photographs, "thumb")
    skin = {name: fitted(photographs, "skin", name) for name in LABELS["aspect"]}
    for name in LABELS["aspect"]:
        for band in LABELS["skin"]:
            features, hands = sampled(model, extractor, args.count, HandLabels(name, skin=band))
            report(f"{name}, {band}: aspect", [name] * len(hands), aspect(features))
            sides = ["left" if hand.thumb_left else "right" for hand in hands]
            report(f"{name}, {band}: thumb", sides, thumb(features))
            report(f"{name}, {band}: skin", [band] * len(hands), skin[name](features))
        distances(model, extractor, photographs, args.count, name)
    if args.strip:
        strip(model).save(args.strip)


def described(extractor: Extractor, images: np.ndarray) -> Features:
    """Features of the extractor, followed by the pixels at 16x16: where the thumb is, and its color."""
    pixels = F.interpolate(torch.from_numpy(images).float(), size=PIXELS, mode="area").flatten(1)
    return np.concatenate([extract(extractor, images), pixels.numpy()], 1)


def fitted(photographs: Photographs, label: str, aspect: str = "") -> Classifier:
    """A classifier of one label, and what it gets right of people that it was not fitted on."""
    classifier = Classifier(*photographs.of(["train"], label, aspect))
    features, values = photographs.of(["validation", "test"], label, aspect)
    report(f"photographs of others, {label} {aspect}".strip(), values, classifier(features))
    return classifier


def report(title: str, wanted: Sequence[str], found: Sequence[str]) -> None:
    """Print the share that is right, in all and of each value."""
    right = np.array(wanted) == np.array(found)
    each = {
        value: (right[np.array(wanted) == value].mean(), int((np.array(wanted) == value).sum()))
        for value in sorted(set(wanted))
    }
    parts = ", ".join(f"{value} {share:.1%} of {count}" for value, (share, count) in each.items())
    print(f"{title:36} {right.mean():6.1%}   ({parts})", flush=True)


def sampled(
    model: PalmModel, extractor: Extractor, count: int, asked: HandLabels
) -> tuple[Features, list[HandLabels]]:
    """Features of images that were asked for, and what they should show."""
    images = model.sample(count, seed=SEED, **dict(asked.items()))
    return described(extractor, images), model.hands(SEED, range(count), asked)


def distances(
    model: PalmModel, extractor: Extractor, photographs: Photographs, count: int, aspect: str
) -> None:
    """Print the kernel distances of one aspect to people held out: of samples, and of training crops."""
    name, digest = extractor.identity
    real, _ = photographs.of(["validation", "test"], "aspect", aspect)
    if len(real) < MIN_HELD_OUT:
        print(f"{aspect}: {len(real)} photographs of others are too few for a distance")
        return
    fake, _ = sampled(model, extractor, count, HandLabels(aspect))
    train, _ = photographs.of(["train"], "aspect", aspect)
    for title, features in (("samples", fake), ("training crops", train)):
        deep, others = (rows[:, : -3 * PIXELS**2] for rows in (features, real))
        distance = kernel_distance(deep, others, extractor=name, digest=digest)
        print(f"{aspect}: kernel distance of {title} to {len(real)} crops of others {distance.value:.3f}")


def strip(model: PalmModel) -> Image.Image:
    """The same latents under each label: rows are kinds, columns are seeds."""
    rows = [
        model.sample(STRIP, seed=SEED, aspect=aspect, side=side, skin=skin)
        for aspect in LABELS["aspect"]
        for skin in LABELS["skin"]
        for side in LABELS["side"]
    ]
    return grid(np.concatenate(rows), columns=STRIP)


if __name__ == "__main__":
    main()
