"""A run: its recipe, its files, and the stages that make them."""
