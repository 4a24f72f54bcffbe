"""Texts of the page, one module per language, and their grammar."""
