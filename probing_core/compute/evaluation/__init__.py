"""Compute scores from predictions, and test claims about encoders."""
