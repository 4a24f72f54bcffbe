"""Generate sets of images with a model, interpolate and vary them, and write them to files."""
