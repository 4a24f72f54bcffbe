"""Drawn photographs of hands: the source that needs no network, no account and no data."""

from palm_assets.synthetic.dataset import draw_kaggle_hands, draw_yolo_export
from palm_assets.synthetic.people import Person, draw_person
from palm_assets.synthetic.render import DrawnHand, draw_hand

__all__ = ["DrawnHand", "Person", "draw_hand", "draw_kaggle_hands", "draw_person", "draw_yolo_export"]
