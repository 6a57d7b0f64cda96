"""Background processes, estimates of a run, the demo run."""
