"""geometry: in work."""
