"""Number of processor cores available to this process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""CPU quota of a container (cgroup v2): ``<quota> <period>`` in microseconds; the quota is ``max`` if unlimited."""


def cores() -> int:
    """Return the number of cores available to this process, given its CPU affinity and its container's quota.

    If ``OMP_NUM_THREADS`` is lower, it is returned instead.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = map(int, QUOTA.read_text().split())
        available = max(1, min(available, quota // period))
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(limit), available) if limit.isdecimal() and int(limit) else available
