"""Data for the pages. Most data are cached for all visitors."""
