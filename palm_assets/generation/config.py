"""Limits of what can be asked of a model; imported without torch."""

from __future__ import annotations

MAX_COUNT = 100_000
"""Images in one set."""

ATTEMPTS_PER_IMAGE = 20
"""Candidates per requested image, after which a minimum score is given up."""

VARIATION_COUNT = 12
"""Variations around an image."""

MAX_VARIATION_STEPS = 32
"""Variations of variations: how often one can be chosen in a row."""
