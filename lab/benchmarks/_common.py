"""Helpers of the benchmarks: peak memory of this process, processor seconds, and a network."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

import psutil

STATUS = Path("/proc/self/status")
VIT = "vit_base_patch16_224"


def peak_mb() -> float:
    """Return MB at the peak since this program was started.

    On Linux ``ru_maxrss`` starts at the size of the parent process, so that a small program under a large one would
    seem as large.
    """
    if STATUS.is_file():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def processor_s() -> float:
    ended = os.times()
    total = ended.user + ended.system + ended.children_user + ended.children_system
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            times = child.cpu_times()
            total += times.user + times.system
    return total


def random_vit(folder: Path, name: str = VIT) -> str:
    """Return the name of a ViT of timm, by default ViT-B/16, with random weights, which are written into ``folder``."""
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model(name).state_dict(), folder / "vit.safetensors")
    return f"timm:{name}@weights={folder / 'vit.safetensors'}"
