"""The drawer of hands."""
