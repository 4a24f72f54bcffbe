"""Feature extractors and their weights."""
