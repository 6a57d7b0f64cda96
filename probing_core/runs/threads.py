"""How many threads numerical libraries take: their number decides the order of sums, so it is in the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Numerical libraries on ``count`` threads, and OpenCV in the thread that calls it: pictures are made by several
    threads, and OpenCV's own would compete with them. Both hold for the whole process."""
    import cv2
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count)
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
