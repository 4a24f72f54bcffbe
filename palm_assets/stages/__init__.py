"""What each stage of the pipeline takes, makes and records."""
