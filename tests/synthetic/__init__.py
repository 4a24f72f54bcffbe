"""Synthetic photographs of hands."""
