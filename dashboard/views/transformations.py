"""transformations: in work."""
