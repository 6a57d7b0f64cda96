"""Train probes, and compute their predictions."""
