"""Evaluation of models and of sets of images against a reference.

`model_evaluation` generates samples of one model and writes the evaluation, `measurement` computes what the
release gate compares (`ModelMetrics`), `evaluation_files` names, writes and reads the files, and
`set_evaluation` evaluates or compares any images. `config`, `model_metrics` and `evaluation_files` import no
heavy library.
"""
