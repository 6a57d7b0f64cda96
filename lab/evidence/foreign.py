"""Pictures that another library alters, in an environment of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from lab.devtools.commands import uv_run
from probing_core.transforms.transformation import Image

LIBRARIES = ("albumentations", "imgaug")
"""The renderings were written with the first in view, not with the second."""


def altered(library: str, images: dict[str, Image]) -> dict[str, Image]:
    """Return ``picture|operation|group`` -> picture, as ``library`` alters ``images``."""
    script = Path(__file__).with_name(f"foreign_{library}.py")
    with tempfile.TemporaryDirectory() as place:
        source, results = Path(place) / "given.npz", Path(place) / "made.npz"
        np.savez(source, **images)  # type: ignore[arg-type]
        uv_run(script, source, results)
        return dict(np.load(results))
