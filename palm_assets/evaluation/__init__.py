"""Evaluation of one model against one reference.

`model_evaluation` generates samples and writes the evaluation, `measurement` computes what the release gate
compares (`ModelMetrics`), and `evaluation_files` names, writes and reads the files. `config`,
`model_metrics` and `evaluation_files` import no heavy library.
"""
