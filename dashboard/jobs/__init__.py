"""Computations beside the pages: worker processes, estimates of a run, the demo run."""
