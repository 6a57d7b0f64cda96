"""Training of probes, and their predictions."""
