"""From a checkpoint to a release: checks, gate, candidates, serving, retention and export."""
