"""Number of processor cores available to this process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""File with the CPU quota of a container (cgroup v2).

It contains ``<quota> <period>`` in microseconds, or ``max <period>`` if there is no quota.
"""


def cores() -> int:
    """Return the number of cores available to this process, given its CPU affinity and its container's quota.

    If ``OMP_NUM_THREADS`` is lower, its value is returned instead.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = map(int, QUOTA.read_text(encoding="utf-8").split())
        available = max(1, min(available, quota // period))
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(limit), available) if limit.isdecimal() and int(limit) else available
