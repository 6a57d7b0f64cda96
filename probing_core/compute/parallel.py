"""Work on pictures, on all cores: each thread decodes, cuts and measures pictures of its own, on one core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from probing_core.compute.threads import opencv_on_one_thread
from probing_core.models.processor import start_one_core_threads

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 2
"""Chunks under way: while one is written, the next is computed. Memory holds no more."""


def cores() -> int:
    """Return how many cores this process may use; fewer where ``OMP_NUM_THREADS`` limits numerical libraries."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(limit), there) if limit.isdecimal() and int(limit) else there


@contextmanager
def one_core_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Start ``count`` threads in each of which PyTorch computes on one core, and `opencv_on_one_thread`: a picture
    gains nothing by more."""
    with opencv_on_one_thread(), start_one_core_threads(count) as pool:
        yield pool


def in_chunks(
    pool: ThreadPoolExecutor, function: Callable[[T], R], chunks: Iterable[Sequence[T]]
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
