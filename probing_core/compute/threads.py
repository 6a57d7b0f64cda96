"""How many threads numerical libraries take: their number decides the order of sums, so it is in the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run numerical libraries on ``count`` threads, and `opencv_on_one_thread`; it holds for the whole process."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count), opencv_on_one_thread():
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def opencv_on_one_thread() -> Iterator[None]:
    """Run OpenCV in the thread that calls it, in the whole process: several threads have pictures of their own, and
    OpenCV's would compete with them."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
