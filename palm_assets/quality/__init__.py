"""Quality of images, in three steps: features, statistics, metrics.

`features` turns images into feature vectors by one of the `extractors`, `statistics` reduces them to mean and
covariance, and each metric is one module: `frechet`, `kid`, `prdc`, `fid_infinity`.
`set_metrics.evaluate_set` does all of it in one call, against a `reference` of real palms that
`reference_builder` builds and `reference_files` stores. The score of one image is another matter:
`calibration` fits it, `reliability` evaluates the fit.

Importing this package costs nothing: each module imports its own libraries.
"""
