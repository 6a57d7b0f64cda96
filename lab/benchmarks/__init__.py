"""Benchmarks of `make bench`: ratios and throughputs.

Each file is one part: ``run(size) -> dict``, where the part's ``Size()`` is what is reported and its ``SMALL`` next to
nothing, by which a test sees that the part still runs.
"""

import probing_core  # noqa: F401 - first, as in the command line: it chooses Arrow's allocator
