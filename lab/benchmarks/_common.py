"""Helpers for benchmarks: clocks, peak memory, measurements in separate processes, and a network."""

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
    """Return the minimum duration in seconds of ``rounds`` calls of each function, after one warm-up call.

    The functions are called alternately, so that other processes affect them equally.
    """
    seconds = [[seconds_of(function, clock) for function in functions] for _ in range(rounds + 1)]
    return [min(column) for column in zip(*seconds[1:], strict=True)]


def in_process(module: str, *arguments: object) -> dict[str, float]:
    """Run ``python -m MODULE ARGUMENTS``, and return the JSON object in the last line of its output."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return json.loads(
        subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.splitlines()[-1]
    )


def peak_mb() -> float:
    """Return the peak memory of this process in MB.

    On Linux, ``ru_maxrss`` is not used, because it starts at the size of the parent process.
    """
    if STATUS.is_file():
        line = next(line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def random_vit(folder: Path, name: str = VIT) -> str:
    """Write random weights of a timm ViT, by default ViT-B/16, to ``folder``, and return the name of the model."""
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model(name).state_dict(), folder / "vit.safetensors")
    return f"timm:{name}@weights={folder / 'vit.safetensors'}"
