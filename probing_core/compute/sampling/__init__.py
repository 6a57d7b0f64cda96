"""Select the images of a run, transform them to samples, and define the tasks of probes."""
