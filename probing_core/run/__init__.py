"""A run: its recipe, its files, and the stages that compute them."""
