"""Cropped palms: what the network learns from."""
