"""Sampling images from a model, and the files that they leave in."""
