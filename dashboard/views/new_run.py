"""new_run: in work."""
