"""Which way up the hands of a set are: the quarter turn of each photograph, from the detector's confidences.

The detector finds a palm whichever way up it is, and is only a little more confident if the fingers point up.
So the confidences of one photograph say little, but most photographs of a set are taken the same way up. A
mixture model uses both: the probability of a turn is proportional to its share in the set, which is estimated
by expectation-maximization, times the odds of the confidence to the power of `SHARPNESS`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from palm_assets.detector.detection import Detection

TURNS = (0, 1, 2, 3)  # quarter turns against the clock
SHARPNESS = 8.0
"""Fitted by maximum likelihood to the starter's detector on 270 photographs: 7.75."""
ITERATIONS = 30
PRIOR_COUNT = 0.5  # photographs of each turn that are assumed beforehand: Jeffreys' prior
LIMITS = (0.01, 0.99)  # of a confidence, whose odds would be infinite at 1


class Detector(Protocol):
    """Detects palms; `PalmDetector` is one."""

    def detect(self, photos: Sequence[np.ndarray], *, min_confidence: float = 0.25) -> list[Detection | None]:
        """The most confident palm of each photo; None without one."""
        ...


@dataclass(frozen=True)
class TurnedDetections:
    """What was detected in a photo in each quarter turn.

    Attributes:
        detections: in the photo turned by so many quarters against the clock; None without a palm.
        log_odds: of the confidence, the mean of that in the turned photo and in its mirror image.
    """

    detections: tuple[Detection | None, ...]
    log_odds: tuple[float, ...]

    @property
    def found(self) -> bool:
        """Whether there is a palm in any turn."""
        return any(detection is not None for detection in self.detections)


def detect_upright(
    detector: Detector, photos: Sequence[np.ndarray], min_confidence: float
) -> list[TurnedDetections]:
    """Detect the palms of photos as they are."""
    found = detector.detect(photos, min_confidence=min_confidence)
    return [TurnedDetections((one,), (_log_odds(one, min_confidence),)) for one in found]


def detect_in_turns(
    detector: Detector, photos: Sequence[np.ndarray], min_confidence: float
) -> list[TurnedDetections]:
    """Detect palms in all four turns, and in their mirror images, which makes the odds steadier."""
    by_turn: list[list[Detection | None]] = []
    odds: list[list[float]] = []
    for turn in TURNS:
        turned = [np.ascontiguousarray(np.rot90(photo, turn)) for photo in photos]
        plain = detector.detect(turned, min_confidence=min_confidence)
        for number, photo in enumerate(turned):  # in place: photos are large
            turned[number] = np.ascontiguousarray(photo[:, ::-1])
        mirrored = detector.detect(turned, min_confidence=min_confidence)
        by_turn.append(plain)
        odds.append(
            [
                (_log_odds(one, min_confidence) + _log_odds(other, min_confidence)) / 2
                for one, other in zip(plain, mirrored, strict=True)
            ]
        )
    return [
        TurnedDetections(detections, log_odds)
        for detections, log_odds in zip(zip(*by_turn, strict=True), zip(*odds, strict=True), strict=True)
    ]


def choose_turns(photos: Sequence[TurnedDetections]) -> list[int]:
    """The most probable turn of each photo of a set, among those with a detection; 0 without any."""
    if not photos:
        return []
    found = np.array([[one is not None for one in photo.detections] for photo in photos])
    log_odds = np.array([photo.log_odds for photo in photos])
    return [int(turn) for turn in most_probable_turns(log_odds, found)]


def most_probable_turns(log_odds: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The same for arrays (N, turns): the log odds, and in which turns there is a palm; int64 (N,)."""
    chosen = np.zeros(len(found), np.int64)
    rows = np.flatnonzero(found.any(1))
    if not len(rows):
        return chosen
    likelihoods = np.where(found[rows], SHARPNESS * log_odds[rows], -np.inf)
    shares = np.full(likelihoods.shape[1], 1 / likelihoods.shape[1])
    for _ in range(ITERATIONS):
        counts = _posterior(likelihoods, shares).sum(0) + PRIOR_COUNT
        shares = counts / counts.sum()
    chosen[rows] = _posterior(likelihoods, shares).argmax(1)
    return chosen


def _posterior(log_likelihoods: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Probabilities of the turns, (N, turns)."""
    logits = log_likelihoods + np.log(shares)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    normalized: np.ndarray = weights / weights.sum(1, keepdims=True)
    return normalized


def _log_odds(detection: Detection | None, min_confidence: float) -> float:
    """Of a detection's confidence; without one, it was at most `min_confidence`."""
    least, most = LIMITS
    confidence = min_confidence if detection is None else detection.confidence
    confidence = min(max(confidence, least), most)
    return math.log(confidence / (1 - confidence))
