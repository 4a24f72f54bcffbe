"""What the page shows: one module per page, dialog or feature."""
