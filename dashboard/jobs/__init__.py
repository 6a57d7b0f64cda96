"""Background processes, time estimates for runs, and the demo run."""
