"""How the batches of a network share the processor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import cycle
from math import ceil
from typing import TYPE_CHECKING, TypeVar

from probing_core.embedders.network import memory

if TYPE_CHECKING:
    import torch
    from torch import nn

T = TypeVar("T")
S = TypeVar("S")

CPU_BATCH, DEVICE_BATCH = 16, 64
"""Images of one forward pass. On a CPU, small batches stay in the caches."""

FINE_CPU_BATCH, FINE_STRIDE = 4, 8
"""A network whose first convolution strides less than this holds maps many times as large as a ViT's tokens, so fewer
fit the caches. EfficientNet-Lite0 in float32 embeds 53 images/s in batches of 16 on two cores, 75 to 82 in these."""

FEW = 8
"""Images that are not worth dividing. The ten crops of a large picture are: on two cores the zoo's ViT takes 32 ms for
them on two threads, and 59 on one."""


class BatchWorkers:
    """On a CPU, as many batches side by side as there are threads, each on one core; elsewhere one after another.

    Cutting one large batch into pieces for two cores, as PyTorch does, keeps both waiting for each other after every
    layer. Measured in bfloat16, milliseconds an image: batches of 64 on two cores take 10.9 for EfficientNet-Lite0 and
    1.84 for the zoo's ViT; batches of 16 on one core take 14.1 and 2.63, and two of them go at a time.

    Args:
        device: where the network is.
        threads: how many batches are under way on a CPU; elsewhere how many pictures are prepared at a time.
    """

    def __init__(self, device: torch.device, threads: int) -> None:
        self._on_cpu = device.type == "cpu"
        self._threads = threads
        self._workers = _one_core_each(threads) if self._on_cpu else ()
        if self._on_cpu:
            memory.reuse_freed()

    def batch_size(self, network: nn.Module) -> int:
        """Images of one forward pass that pay for ``network``."""
        from torch.nn import Conv2d

        if not self._on_cpu:
            return DEVICE_BATCH
        stem = next((module for module in network.modules() if isinstance(module, Conv2d)), None)
        return FINE_CPU_BATCH if stem is not None and max(stem.stride) < FINE_STRIDE else CPU_BATCH

    def next_batches(self, images: Sequence[T], most: int) -> list[Sequence[T]]:
        """The batches, of ``most`` images at most, that go side by side next; the last ones are of even size."""
        if not self._on_cpu or len(images) <= min(FEW, most):
            return [images[:most]]
        size = min(most, ceil(len(images) / self._threads))
        return [images[i : i + size] for i in range(0, min(len(images), self._threads * size), size)]

    def run(self, function: Callable[[S], T], batches: Sequence[S]) -> list[T]:
        if not self._on_cpu:
            return list(map(function, batches))
        # The first thread takes the first batch and so on: each keeps memory for what it has computed.
        under_way = [
            worker.submit(function, batch) for worker, batch in zip(cycle(self._workers), batches, strict=False)
        ]
        return [one.result() for one in under_way]

    def release(self) -> None:
        """Returns what the threads reuse from batch to batch to the system; to be called when there are no more."""
        if self._on_cpu:
            memory.release()

    def each_picture(self, function: Callable[[int], None], positions: Iterable[int]) -> Iterable[None]:
        """``map`` over the pictures of a batch: within its thread, or on all threads where batches take turns."""
        return map(function, positions) if self._on_cpu else _threads(self._threads).map(function, positions)


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count)


@cache  # for all models of the process: every thread keeps memory of its own
def _one_core_each(count: int) -> tuple[ThreadPoolExecutor, ...]:
    """Executors of one thread each, in which PyTorch computes on one core.

    `torch.set_num_threads` holds for the thread that calls it and for those that start later: each thread calls it for
    itself, after PyTorch has looked up the common number there, and the caller's is set again once all have.
    """
    import torch

    before = torch.get_num_threads()

    def begin() -> None:
        torch.get_num_threads()
        torch.set_num_threads(1)

    workers = tuple(ThreadPoolExecutor(1, initializer=begin) for _ in range(count))
    for worker in workers:
        worker.submit(int).result()  # its thread has begun
    torch.set_num_threads(before)
    return workers
