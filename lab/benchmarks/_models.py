"""Networks that benchmarks share."""

from __future__ import annotations

from pathlib import Path

VIT = "vit_base_patch16_224"


def random_vit(folder: Path) -> str:
    """The name of timm's ViT-B/16 with random weights, which are written into ``folder``."""
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model(VIT).state_dict(), folder / "vit.safetensors")
    return f"timm:{VIT}@weights={folder / 'vit.safetensors'}"
