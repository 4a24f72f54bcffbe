"""The Dagster graph: a thin shell around `palm_assets`.

Importing it is the entry point of Dagster's code server, so the process is configured here, before
`dagster` is imported.
"""

from palm_assets.runtime import configure

configure()
