"""Background processes for runs and scans, and the demo run."""
