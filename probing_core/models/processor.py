"""Devices, precisions, CPU threads and memory."""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from functools import cache
from math import ceil
from threading import Barrier, RLock
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

from probing_core.errors import BadConfig
from probing_core.models.embedder import Precision

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

PRECISIONS: tuple[Precision, ...] = ("auto", "float32", "bfloat16", "float16")

MEMORY_OF_MODELS = 0.6
"""Fraction of the machine's memory above which a run does not load additional models."""

MEMORY_OF_LIVE_MODELS = 0.5
"""Fraction of the machine's memory above which the server unloads models."""


def is_taken(share: float) -> bool:
    """Return whether this process uses more than a fraction ``share`` of the machine's memory."""
    return psutil.Process().memory_info().rss > share * psutil.virtual_memory().total


def resolve_device(device: str = "auto") -> torch.device:
    """Return the device called ``device``; ``auto`` selects CUDA, MPS or the CPU, in this order of preference."""
    import torch

    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    if torch.cuda.is_available():
        present[:0] = ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if device == "auto":
        return torch.device(present[0])
    if device not in present:
        raise BadConfig(f"The device '{device}' is not available. Use 'auto' or one of: {', '.join(present)}.")
    return torch.device(device)


def resolve_precision(precision: str, device: torch.device) -> str:
    """Return ``precision``; ``auto`` selects bfloat16 if the hardware supports it, otherwise float32."""
    import torch

    if precision not in PRECISIONS:
        raise BadConfig(f"'{precision}' is not a supported precision. Use one of: {', '.join(PRECISIONS)}.")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        # Below compute capability 8, bfloat16 is emulated and slower than float32.
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if device.type == "cpu" and _cpu_multiplies_bfloat16() else "float32"


def _cpu_multiplies_bfloat16() -> bool:
    import torch

    # bfloat16 is faster with AVX512-BF16 or AMX on x86, or with BF16 dot products on Arm (docs/engines.md).
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(key, False) for key in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))


T = TypeVar("T")
S = TypeVar("S")
B = TypeVar("B")

CPU_BATCH = 16
"""Number of images per forward pass on a CPU. Small batches fit into the CPU caches."""

DEVICE_BATCH = 64
"""Number of images per forward pass on an accelerator."""

FINE_CPU_BATCH = 4
"""Number of images per forward pass on a CPU if the stride of the first convolution is below `FINE_STRIDE`, because
feature maps then take more memory than the tokens of a ViT."""

FINE_STRIDE = 8
"""Stride of the first convolution below which batches have `FINE_CPU_BATCH` images."""

MAX_UNDIVIDED = 8
"""Number of images up to which a batch is not divided among the threads of a CPU."""

WAITING = 2
"""Maximum number of running and waiting batches per core."""

Pass = Callable[[], T]
"""Function that waits for a started forward pass and returns its result."""

MAX_BEGUN = 2
"""Maximum number of batches per caller that run on an accelerator at the same time."""

MAX_PREPARED = 2
"""Number of batches that are prepared in advance per caller, and total number of threads that prepare batches."""

AHEAD = 2
"""Number of running batches per core for a compiled network, at most `WAITING`. OpenVINO has its own threads, so with
one batch per core, a core would be idle until the next batch starts. PyTorch is slower with two batches per core."""


class BatchThreads:
    """Scheduler that runs small batches on each core of a CPU, or large batches on an accelerator.

    On a CPU, PyTorch would divide a large batch among the cores, which would then wait for each other after every
    layer. An accelerator computes one batch while the next batches are prepared and started.

    Args:
        threads: number of CPU cores; for an accelerator, number of images that are prepared simultaneously.
    """

    def __init__(self, device: torch.device, threads: int) -> None:
        self._on_cpu = device.type == "cpu"
        self.threads = threads
        if self._on_cpu:
            reuse_freed()

    def batch_size(self, network: nn.Module) -> int:
        from torch.nn import Conv2d

        if not self._on_cpu:
            return DEVICE_BATCH
        stem = next((module for module in network.modules() if isinstance(module, Conv2d)), None)
        return FINE_CPU_BATCH if stem is not None and max(stem.stride) < FINE_STRIDE else CPU_BATCH

    def batches(self, images: range, max_size: int) -> Iterator[range]:
        """Divide ``images`` into batches of at most ``max_size`` positions.

        On a CPU, the last images are divided equally among the threads.
        """
        start = 0
        while (left := len(images) - start) > 0:
            divided = self._on_cpu and left > min(MAX_UNDIVIDED, max_size)
            size = min(max_size, ceil(left / self.threads)) if divided else max_size
            stop = start + size * (self.threads if divided else 1)
            yield from (images[i : i + size] for i in range(start, min(stop, len(images)), size))
            start = stop

    def run(self, function: Callable[[S], T], batches: Iterable[S], of_each_core: int = 1) -> Iterator[T]:
        """Apply ``function`` to every batch on a CPU, and yield the results in order.

        Only a few batches wait at a time, so that simultaneous callers take turns.

        Args:
            of_each_core: number of threads per CPU core; `AHEAD` if ``function`` waits for OpenVINO threads.
        """
        with _STARTING:
            pool = _shared(of_each_core * self.threads)
        return _in_order(pool, function, batches, WAITING * self.threads)

    def feed(
        self, prepare: Callable[[S], B], begin: Callable[[B], Pass[T]], batches: Iterable[S], of_each_core: int = 1
    ) -> Iterator[T]:
        """Prepare and compute every batch, and yield the results in order.

        To keep an accelerator busy, the next batch is started while a batch is computed, and the batch after that is
        prepared in another thread.

        Args:
            prepare: function that maps a batch to the argument of ``begin``.
            begin: function that starts a pass. On an accelerator, it returns before the pass is complete.
            of_each_core: as in `run`.
        """
        if self._on_cpu:
            yield from self.run(lambda batch: begin(prepare(batch))(), batches, of_each_core)
            return
        passes = deque[Pass[T]]()
        with closing(_in_order(_threads(MAX_PREPARED, "batches"), prepare, batches, MAX_PREPARED)) as prepared:
            for batch in prepared:
                passes.append(begin(batch))
                if len(passes) == MAX_BEGUN:
                    yield passes.popleft()()
        while passes:
            yield passes.popleft()()

    def release(self) -> None:
        """Release the memory that the threads reuse across batches."""
        if self._on_cpu:
            release()

    def each_picture(self, function: Callable[[int], None], positions: Iterable[int]) -> Iterable[None]:
        """Map ``function`` over the images of a batch, in parallel if an accelerator is used.

        On a CPU, whole batches are processed in parallel instead.
        """
        return map(function, positions) if self._on_cpu else _threads(self.threads, "pictures").map(function, positions)


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[S], T], batches: Iterable[S], max_pending: int
) -> Generator[T, None, None]:
    """Apply ``function`` to every batch in a thread pool, and yield the results in order.

    At most ``max_pending`` calls are pending. No call is pending when the iterator ends, even after an error.
    """
    under_way: deque[Future[T]] = deque()
    try:
        for batch in batches:
            if len(under_way) == max_pending:
                yield under_way.popleft().result()
            under_way.append(pool.submit(function, batch))
        while under_way:
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()
        wait(under_way)


def copied_to(device: torch.device, batch: torch.Tensor) -> torch.Tensor:
    """Copy a batch to ``device``. With CUDA, the batch is copied while earlier passes are computed."""
    import torch

    if device.type != "cuda":
        return batch.to(device, copy=True)
    copying, computing = _copying(device), torch.cuda.current_stream(device)
    with torch.cuda.stream(copying):
        copied = batch.to(device, non_blocking=True)
    computing.wait_stream(copying)
    copied.record_stream(computing)  # do not reuse its memory before the pass has read it
    return copied


def copied_from(device: torch.device, outputs: Sequence[torch.Tensor]) -> Pass[list[np.ndarray]]:
    """Start copying outputs from ``device``, and return a function that waits for the copies and returns them."""
    import torch

    if device.type != "cuda":
        arrays = [output.float().cpu().numpy() for output in outputs]
        return lambda: arrays
    copies = [output.float().to("cpu", non_blocking=True) for output in outputs]
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(device))

    def arrays_when_copied() -> list[np.ndarray]:
        copied.synchronize()
        return [output.numpy() for output in copies]

    return arrays_when_copied


@cache
def _copying(device: torch.device) -> torch.cuda.Stream:
    import torch

    return torch.cuda.Stream(device)


@cache
def _threads(count: int, name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix=name)


_STARTING = RLock()
"""Lock for starting threads, which temporarily changes the global number of PyTorch threads."""


def start_one_core_threads(count: int) -> ThreadPoolExecutor:
    """Start a pool of ``count`` threads, each of which uses one core for PyTorch.

    `torch.set_num_threads` applies to the calling thread and to threads that start later. Each new thread therefore
    calls it after PyTorch has read the global number of threads in that thread. At the end, the number of the calling
    thread is restored.
    """
    import torch

    def begin() -> None:
        torch.get_num_threads()
        torch.set_num_threads(1)

    with _STARTING:
        before = torch.get_num_threads()
        pool = ThreadPoolExecutor(count, initializer=begin)
        all_have_begun = Barrier(count)
        for _ in pool.map(lambda _: all_have_begun.wait(), range(count)):
            pass
        torch.set_num_threads(before)
    return pool


_shared = cache(start_one_core_threads)


MAX_REUSED_BLOCK = 32 * 2**20
"""Maximum size in bytes of a freed block that is kept for reuse (the maximum that glibc allows)."""

MAX_REUSED = 256 * 2**20
"""Maximum amount of freed memory in bytes that a thread keeps until `release`."""

_MMAP_THRESHOLD, _TOP_PAD, _TRIM_THRESHOLD = -3, -2, -1
"""Parameters of ``mallopt``."""


def out_of_memory(error: BaseException) -> bool:
    """Return whether ``error`` means that the device or the machine ran out of memory.

    On a CPU, only the message of the PyTorch error indicates this.
    """
    import torch

    phrases = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(w in str(error).lower() for w in phrases)


@cache  # once per process
def reuse_freed() -> None:
    """Make glibc keep freed memory until `release`, so that layers do not wait for the system to zero new pages."""
    if (mallopt := _glibc("mallopt")) is not None:
        mallopt(_MMAP_THRESHOLD, MAX_REUSED_BLOCK)
        mallopt(_TRIM_THRESHOLD, MAX_REUSED)
        mallopt(_TOP_PAD, MAX_REUSED_BLOCK * 2)  # otherwise, only the heap of the main thread is kept


def release() -> None:
    if (malloc_trim := _glibc("malloc_trim")) is not None:
        malloc_trim(0)


def free_memory(device: str) -> None:
    import gc

    import torch

    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
    release()


def _glibc(function: str) -> Any:
    """Return a glibc function, or None on other systems (musl returns freed pages automatically)."""
    return getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None
