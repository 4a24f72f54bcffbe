"""Scores that mean what they say.

Features of images (`features`), the distances between sets of them (`frechet`, `kid`,
`prdc`), what they are measured against (`reference`), and the calibrated probability
that one palm is real (`calibration`). Importing this package costs nothing: each module
brings its own libraries.
"""
