"""Benchmarks of `make bench`: ratios and throughputs.

Each module is one benchmark with a function ``run(size) -> dict``. Its ``Size()`` is the size for reported results, and
its ``SMALL`` is a minimal size for tests.
"""

import probing_core  # noqa: F401 - first, as in the command line: it chooses Arrow's allocator
