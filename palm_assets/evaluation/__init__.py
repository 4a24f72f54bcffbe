"""One model against one reference."""
