"""Pictures that another library alters, in an environment of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from lab.devtools.commands import uv_run
from probing_core.transforms.base import Image

LIBRARIES = ("albumentations", "imgaug")
"""The renderings were written with the first in view, not with the second."""


def altered(library: str, given: dict[str, Image]) -> dict[str, Image]:
    """Return ``picture|operation|group`` -> picture, as ``library`` alters ``given``."""
    script = Path(__file__).with_name(f"foreign_{library}.py")
    with tempfile.TemporaryDirectory() as place:
        source, made = Path(place) / "given.npz", Path(place) / "made.npz"
        np.savez(source, **given)  # type: ignore[arg-type]
        uv_run(script, source, made)
        return dict(np.load(made))
