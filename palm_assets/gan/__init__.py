"""The DCGAN: two networks, the game between them, and what is kept of it."""
