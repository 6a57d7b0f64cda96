"""What `make bench` measures: ratios and throughputs, each file one subject with a `run() -> dict`."""

import probing_core  # noqa: F401 - first, as in the command line: it chooses Arrow's allocator
