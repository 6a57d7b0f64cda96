"""Scores of predictions, and tests of claims about encoders."""
