"""Procedurally rendered photographs of hands: a source that needs no network, account or data."""

from palm_assets.synthetic.dataset import write_kaggle_hands, write_yolo_export
from palm_assets.synthetic.people import Person, sample_person
from palm_assets.synthetic.render import SyntheticHand, render_hand

__all__ = [
    "Person",
    "SyntheticHand",
    "render_hand",
    "sample_person",
    "write_kaggle_hands",
    "write_yolo_export",
]
