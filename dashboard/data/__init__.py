"""Data for the pages, cached for all visitors."""
