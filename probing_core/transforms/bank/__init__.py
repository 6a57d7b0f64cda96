"""Transformation bank, with one module per group."""
