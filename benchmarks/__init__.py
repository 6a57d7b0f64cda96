"""What `make bench` measures: ratios and throughputs, each file one subject with a `run() -> dict`."""
