"""The Dagster graph: a thin shell around `palm_assets`."""
