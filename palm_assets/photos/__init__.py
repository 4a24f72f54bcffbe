"""Photographs of hands: reading one, and the index of a whole set."""
