"""try_images: in work."""
