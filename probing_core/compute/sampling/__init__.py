"""Select the images of a run, transform them to samples, and define probe tasks."""
