"""The Dagster graph: a thin shell around `palm_assets`."""

import gc

# Dagster's import makes 150,000 objects that stay. Looked through for garbage again and again, they cost a
# twelfth of the import, which every process of a run pays.
gc.set_threshold(100_000, 50, 100)
