"""Where photographs come from: Kaggle, a person's own folder, or our own drawer of hands."""
