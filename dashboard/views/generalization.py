"""generalization: in work."""
