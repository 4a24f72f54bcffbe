"""The gate between a checkpoint and its release.

`config` holds the bounds, `verdicts` the pure evaluators, `loading` the one that starts a fresh process,
`judging` brings them to the artifacts of a candidate, and `records` keeps what they said.
"""
