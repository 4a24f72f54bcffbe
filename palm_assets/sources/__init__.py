"""Where photographs come from: a person's own folder, Kaggle, or the renderer of synthetic hands."""
