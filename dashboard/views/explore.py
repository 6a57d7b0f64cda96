"""explore: in work."""
