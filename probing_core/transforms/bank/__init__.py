"""The bank: one file per group of transforms."""
