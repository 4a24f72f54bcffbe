"""The whole pipeline in seconds: a config for every stage, and bounds that its model passes."""

from typing import Any

TINY: dict[str, dict[str, Any]] = {
    "raw_hands": {"synthetic_photos": 80, "synthetic_people": 16, "synthetic_size": 128},
    "raw_palm_boxes": {
        "synthetic_train": 24,
        "synthetic_valid": 6,
        "synthetic_test": 6,
        "synthetic_size": 128,
    },
    # After two short epochs the detector finds nothing reliably, so whole photos are accepted as crops.
    "palm_detector": {"epochs": 2, "image_size": 64, "batch": 8},
    "cropped_palms": {"image_size": 16, "no_palm": "whole_photo"},
    "dcgan_checkpoint": {
        "image_size": 16,
        "kimg": 0.64,
        "batch": 16,
        "snapshot_kimg": 0.16,
        "save_minutes": 0.005,
        "latent": 16,
        "generator_width": 8,
        "discriminator_width": 8,
    },
    "fid_reference": {},
    "palm_evaluation": {"count": 8},
}

LENIENT: dict[str, Any] = {
    "min_photos": 1,
    "min_ap50": 0,
    "min_share_with_palm": 0,
    "min_crops": 1,
    "min_people_held_out": 1,
    "max_blank": 1,
    "min_variety": 0,
    "min_nearest_other": 0,
    "min_authentic": 0,
    "max_frechet": 1e9,
    "standard_errors": 0,
    "max_worse": 1e9,
    "min_count": 2,
    "min_sets": 2,
    "min_coverage": 0,
    "max_repeats": 1,
    "max_copies": 1,
    "min_density": 0,
    "max_kid": 1e9,
}
"""Bounds of the checks that a model passes after a second of training."""
