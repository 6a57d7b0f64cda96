"""Memory that networks take, reuse between their batches, and return to the system."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

MAX_REUSED_BLOCK = 32 * 2**20
"""Blocks above this size, in bytes, go back to the system when they are freed; the C library allows no more. The
largest map of four pictures in EfficientNet-Lite0 is smaller."""

MAX_REUSED = 256 * 2**20
"""Freed memory that a thread may hold until `release`."""

_MMAP_THRESHOLD, _TOP_PAD, _TRIM_THRESHOLD = -3, -2, -1
"""Parameters of ``mallopt``."""


def out_of_memory(error: BaseException) -> bool:
    """Return whether the device or the machine ran out of memory; torch has a class for it or, on CPU, only a
    message."""
    import torch

    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(w in str(error).lower() for w in words)


@cache  # once a process
def reuse_freed() -> None:
    """Make the C library keep freed memory for the next allocations, until `release`.

    By itself glibc returns every large block at once, and the system clears its pages anew when the next layer asks
    for them: many page faults a picture.
    """
    if (mallopt := _glibc("mallopt")) is not None:
        mallopt(_MMAP_THRESHOLD, MAX_REUSED_BLOCK)
        mallopt(_TRIM_THRESHOLD, MAX_REUSED)
        mallopt(_TOP_PAD, MAX_REUSED_BLOCK * 2)  # else the heap of any thread but the first is returned


def release() -> None:
    """Release free pages to the system."""
    if (malloc_trim := _glibc("malloc_trim")) is not None:
        malloc_trim(0)


def free_memory(device: str) -> None:
    """Release the memory of dropped objects: collect cycles, return free pages to the system and free blocks to
    CUDA."""
    import gc

    import torch

    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
    release()


def _glibc(function: str) -> Any:
    """Return a function of glibc's own; None elsewhere (musl returns pages by itself)."""
    return getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None
