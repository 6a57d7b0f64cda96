"""Limit threads and memory, and create pools of threads or processes for images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from typing import TypeVar

import psutil

from probing_core.compute.runtime.workers import Workers
from probing_core.cores import cores
from probing_core.models.processor import start_one_core_threads

MEMORY_OF_TRAINING = 0.25
"""Maximum fraction of the machine's memory for the training embeddings of a probe.

It limits the number of training samples.
"""


def bytes_of(share: float) -> float:
    return share * psutil.virtual_memory().total


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Return a context manager that limits numerical libraries to ``count`` threads and OpenCV to one thread."""
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
    """Return a context manager that disables multithreading in OpenCV for the whole process.

    Otherwise, OpenCV threads would compete with threads that process other images.
    """
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


T = TypeVar("T")
R = TypeVar("R")

FEW_IMAGES = 600
"""Maximum number of images for which threads are used instead of processes, which take half a second to start."""

MEMORY_OF_WORKER = 400 * 2**20
"""Memory in bytes that a process for transforming images requires, including the networks for neural styles."""


@contextmanager
def image_pool(images: int, jobs: int | None = None) -> Iterator[Executor]:
    """Return a context manager that provides a pool for processing images.

    Args:
        images: approximate number of images.
        jobs: number of processes. By default, threads are used for up to `FEW_IMAGES` images, and otherwise one process
            per core if memory allows.
    """
    if images <= FEW_IMAGES and jobs is None:
        with one_core_threads(cores()) as threads:
            yield threads
        return
    affordable = int(psutil.virtual_memory().available // MEMORY_OF_WORKER)
    with Workers(jobs or max(1, min(cores(), affordable))) as workers:
        yield workers


@contextmanager
def one_core_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Return a context manager that provides a pool of ``count`` threads.

    In each of these threads, PyTorch and OpenCV use one core.
    """
    with opencv_on_one_thread(), start_one_core_threads(count) as pool:
        yield pool


@contextmanager
def plain_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Return a context manager that provides a pool of ``count`` threads, in which OpenCV uses one core.

    Unlike `one_core_threads`, it does not import PyTorch, which takes seconds.
    """
    with opencv_on_one_thread(), ThreadPoolExecutor(count) as pool:
        yield pool


def in_chunks(
    pool: Executor, function: Callable[[T], R], chunks: Iterable[Sequence[T]]
) -> Iterator[tuple[Sequence[T], list[R]]]:
    """Apply ``function`` to the items of all chunks.

    While the caller uses a chunk, the next chunk is computed. At most two chunks are in memory.

    Yields:
        Each chunk and the results for its items, in order.
    """
    before: tuple[Sequence[T], list[Future[R]]] | None = None
    for chunk in chain(chunks, [None]):
        under_way = None if chunk is None else (chunk, [pool.submit(function, item) for item in chunk])
        if before is not None:
            yield before[0], [future.result() for future in before[1]]
        before = under_way
