"""The images of a run, their samples, and the tasks of probes."""
