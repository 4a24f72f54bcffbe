"""Names of what hands show, in the language of the page."""

from __future__ import annotations

from app.i18n.words import Words
from palm_assets.gan.hand_labels import HandLabels


def label_text(words: Words, name: str, value: str) -> str:
    """Name of one label, such as "backs"."""
    return words(f"{name}_{value}")


def labels_text(words: Words, labels: HandLabels) -> str:
    """Names of the labels that are not left open; "" if all are."""
    return ", ".join(label_text(words, name, value) for name, value in labels.known.items())
