"""Photographs of hands: reading one safely, and the index of a whole set."""
