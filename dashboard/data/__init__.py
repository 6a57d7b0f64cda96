"""Data that pages read, cached for all visitors."""
