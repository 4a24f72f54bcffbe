"""The `palms` command."""
