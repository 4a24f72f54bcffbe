"""Marks of generated images: XMP metadata, C2PA Content Credentials, and an imperceptible watermark."""
