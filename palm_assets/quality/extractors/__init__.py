"""Feature extractors: what is known of each (`registry`), their networks, and their weights."""
