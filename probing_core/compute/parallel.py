"""Work on pictures, on all cores: each process or thread decodes, cuts and measures pictures, on one core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

from probing_core.compute.threads import opencv_on_one_thread
from probing_core.compute.workers import Workers
from probing_core.models.processor import start_one_core_threads

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 2
"""Chunks under way: while one is written, the next is computed. Memory holds no more."""


FEW_PICTURES = 600
"""Pictures up to which threads make them: processes take half a second to start."""

MEMORY_OF_WORKER = 400 * 2**20
"""Bytes that a process takes which transforms pictures, neural styles included."""

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Quota of a container: microseconds of processor time in each period, or ``max``, and the period."""


def cores() -> int:
    """Return how many cores this process may use, by affinity and the quota of its container; fewer where
    ``OMP_NUM_THREADS`` limits numerical libraries."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = map(int, QUOTA.read_text().split())
        there = max(1, min(there, quota // period))
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(limit), there) if limit.isdecimal() and int(limit) else there


@contextmanager
def picture_pool(pictures: int, jobs: int | None = None) -> Iterator[Executor]:
    """Start what makes or measures pictures: processes, or threads where there are few.

    Args:
        pictures: how many there are about.
        jobs: processes; one a core if not given, as memory allows.
    """
    if pictures <= FEW_PICTURES and jobs is None:
        with one_core_threads(cores()) as threads:
            yield threads
        return
    affordable = int(psutil.virtual_memory().available // MEMORY_OF_WORKER)
    with Workers(jobs or max(1, min(cores(), affordable))) as workers:
        yield workers


@contextmanager
def one_core_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Start ``count`` threads in each of which PyTorch computes on one core, and `opencv_on_one_thread`: a picture
    gains nothing by more."""
    with opencv_on_one_thread(), start_one_core_threads(count) as pool:
        yield pool


def in_chunks(
    pool: Executor, function: Callable[[T], R], chunks: Iterable[Sequence[T]]
) -> Iterator[tuple[Sequence[T], list[R]]]:
    """Yield each chunk with the results of its items, in order; `AHEAD` chunks at most are under way."""
    waiting: list[tuple[Sequence[T], list[Future[R]]]] = []
    for chunk in chunks:
        waiting.append((chunk, [pool.submit(function, item) for item in chunk]))
        if len(waiting) == AHEAD:
            yield _results(*waiting.pop(0))
    for chunk, futures in waiting:
        yield _results(chunk, futures)


def _results(chunk: Sequence[T], futures: list[Future[R]]) -> tuple[Sequence[T], list[R]]:
    return chunk, [future.result() for future in futures]
