"""Helpers of the benchmarks: peak memory of this process, and a network."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
VIT = "vit_base_patch16_224"


def peak_mb() -> float:
    """MB at the peak since this program was started.

    On Linux ``ru_maxrss`` begins at what the process held that started it, so that a small program under a large one
    would seem as large.
    """
    if STATUS.is_file():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def random_vit(folder: Path, name: str = VIT) -> str:
    """The name of a ViT of timm, by default ViT-B/16, with random weights, which are written into ``folder``."""
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model(name).state_dict(), folder / "vit.safetensors")
    return f"timm:{name}@weights={folder / 'vit.safetensors'}"
