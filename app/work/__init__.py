"""What the page computes in the background, and what it reads from the store; nothing here draws widgets."""
