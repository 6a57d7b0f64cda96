"""Which images a run uses, which samples are made of them, and what probes predict from the samples."""
