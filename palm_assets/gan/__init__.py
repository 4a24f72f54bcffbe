"""The DCGAN: networks, adversarial training, checkpoints, and sampling."""
