"""The bank: one file a group of transforms."""
