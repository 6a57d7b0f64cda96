"""The number of processor cores that this process may use."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""CPU quota of a container (cgroup v2): ``<quota> <period>`` in microseconds; the quota is ``max`` if unlimited."""


def cores() -> int:
    """Return the number of cores that this process may use according to its affinity and its container's quota.

    The number is lower if ``OMP_NUM_THREADS`` limits numerical libraries.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = map(int, QUOTA.read_text().split())
        available = max(1, min(available, quota // period))
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(limit), available) if limit.isdecimal() and int(limit) else available
