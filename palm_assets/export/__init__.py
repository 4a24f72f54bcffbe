"""Models for other places: the Hugging Face Hub, ONNX, and a page of static files."""
