"""Cropped palms: the training data of the GAN."""
