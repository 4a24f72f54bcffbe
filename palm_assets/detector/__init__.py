"""The palm detector: its training set, its training, and what it finds."""
