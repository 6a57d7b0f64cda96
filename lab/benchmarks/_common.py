"""Helpers of the benchmarks: clocks, peak memory, measurements in a process of their own, and a network."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

STATUS = Path("/proc/self/status")
VIT = "vit_base_patch16_224"

Clock = Callable[[], float]


def seconds_of(function: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    start = clock()
    function()
    return clock() - start


def fastest(rounds: int, *functions: Callable[[], object], clock: Clock = time.perf_counter) -> list[float]:
    """Return the seconds of the fastest of ``rounds`` calls of each function, after one that does not count.

    They are called in turn, so that other work on the machine slows all alike.
    """
    seconds = [[seconds_of(function, clock) for function in functions] for _ in range(rounds + 1)]
    return [min(column) for column in zip(*seconds[1:], strict=True)]


def in_process(module: str, *arguments: object) -> dict[str, float]:
    """Return the JSON object that ``python -m MODULE ARGUMENTS`` prints last."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def peak_mb() -> float:
    """Return MB at the peak since this program was started.

    On Linux ``ru_maxrss`` starts at the size of the parent process, so that a small program under a large one would
    seem as large.
    """
    if STATUS.is_file():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def random_vit(folder: Path, name: str = VIT) -> str:
    """Return the name of a ViT of timm, by default ViT-B/16, with random weights, which are written into ``folder``."""
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model(name).state_dict(), folder / "vit.safetensors")
    return f"timm:{name}@weights={folder / 'vit.safetensors'}"
