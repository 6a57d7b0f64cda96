"""Device and precision that a model gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probing_core.errors import BadConfig
from probing_core.models.base import Precision

if TYPE_CHECKING:
    import torch

PRECISIONS: tuple[Precision, ...] = ("auto", "float32", "bfloat16", "float16")


def resolve_device(device: str = "auto") -> torch.device:
    """Return the device called ``device``; ``auto`` is CUDA, else MPS, else the CPU.

    Raises:
        BadConfig: no such device here.
    """
    import torch

    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    if torch.cuda.is_available():
        present[:0] = ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if device == "auto":
        return torch.device(present[0])
    if device not in present:
        raise BadConfig(f"There is no device '{device}' here; there are: {', '.join(present)}, or 'auto'.")
    return torch.device(device)


def resolve_precision(precision: str, device: torch.device) -> str:
    """Return ``precision``, with ``auto`` resolved: bfloat16 where the processor multiplies in it, else float32.

    Raises:
        BadConfig: not a precision.
    """
    import torch

    if precision not in PRECISIONS:
        raise BadConfig(f"'{precision}' is not a precision; there are: {', '.join(PRECISIONS)}.")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        # emulated below compute capability 8, where it is slower than float32
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if device.type == "cpu" and _cpu_multiplies_bfloat16() else "float32"


def _cpu_multiplies_bfloat16() -> bool:
    import torch

    # AVX512-BF16 or AMX on x86, BF16 dot products on Arm: with one of them bfloat16 is faster (docs/engines.md).
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(key, False) for key in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))
