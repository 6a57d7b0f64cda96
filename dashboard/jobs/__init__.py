"""Computations beside the pages: background processes, estimates of a run, the demo run."""
