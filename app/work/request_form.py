"""What a visitor types into the request form, parsed with a reason for every refusal.

Streamlit's own number field hides or silently changes what is out of range.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from palm_assets.gan.config import MAX_SEED
from palm_assets.gan.hand_labels import ANY_HAND, HandLabels
from palm_assets.generation.generate import GenerationRequest

MAX_COUNT = 1000
MIN_TRUNCATION = 0.01
_DIGITS = re.compile(r"\+?[0-9]{1,20}")
_DECIMAL = re.compile(r"[+-]?[0-9]*[.,][0-9]+")
_NEGATIVE = re.compile(r"[-−–][0-9]+")


class FormError(ValueError):
    """Unusable input.

    Attributes:
        key: of the text of `app.i18n` that says why.
        values: its placeholders.
    """

    def __init__(self, key: str, **values: Any) -> None:
        super().__init__(key)
        self.key = key
        self.values = values

    @property
    def field(self) -> str:
        """Name of the field that has the problem."""
        return next(
            name for name in ("count", "seed", "truncation", "min_score") if self.key.startswith(name)
        )


def parse_request(
    count: str, seed: str, truncation: str = "", min_score: str = "", labels: HandLabels = ANY_HAND
) -> GenerationRequest:
    """Parse all fields of the form; an empty seed becomes a random one. Labels are chosen, not typed.

    Raises:
        FormError: about the first field that cannot be used.
    """
    return GenerationRequest(
        parse_count(count),
        parse_seed(seed) if seed.strip() else secrets.randbelow(10**6),  # short enough to read out
        _parse_share(truncation, MIN_TRUNCATION, "truncation_wrong") if truncation.strip() else 1.0,
        _parse_share(min_score, 0, "min_score_wrong") if min_score.strip() else None,
        labels,
    )


def parse_count(text: str) -> int:
    """Parse a whole number from 1 to 1000, in digits.

    Raises:
        FormError: anything else, with the reason.
    """
    text = _without_spaces(text)
    if not text:
        raise FormError("count_empty", max=MAX_COUNT)
    if _DECIMAL.fullmatch(text):
        raise FormError("count_not_whole", typed=text, max=MAX_COUNT)
    if _NEGATIVE.fullmatch(text):
        raise FormError("count_too_small", typed=text, max=MAX_COUNT)
    if not _DIGITS.fullmatch(text):
        raise FormError("count_not_a_number", typed=text, max=MAX_COUNT)
    if int(text) < 1:
        raise FormError("count_too_small", typed=text, max=MAX_COUNT)
    if int(text) > MAX_COUNT:
        raise FormError("count_too_large", typed=text, max=MAX_COUNT)
    return int(text)


def parse_seed(text: str) -> int:
    """Parse a whole number from 0 to 2**53, in digits.

    Raises:
        FormError: anything else.
    """
    text = _without_spaces(text)
    if not _DIGITS.fullmatch(text) or int(text) > MAX_SEED:
        raise FormError("seed_wrong", typed=text, max=MAX_SEED)
    return int(text)


def _parse_share(text: str, minimum: float, key: str) -> float:
    text = _without_spaces(text)
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise FormError(key, typed=text) from None
    if not minimum <= value <= 1:  # also refuses NaN
        raise FormError(key, typed=text)
    return value


def _without_spaces(text: str) -> str:
    """Remove the spaces that people and phones put around numbers and between thousands."""
    text = text.strip()
    return re.sub(r"(?<=\d)[\s\u00a0\u202f](?=\d{3}\b)", "", text)
