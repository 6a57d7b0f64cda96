"""Images edited with another library in a separate environment."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from lab.devtools.commands import uv_run
from probing_core.transforms.transformation import Image

LIBRARIES = ("albumentations", "imgaug")
"""Available libraries. The alternative implementations were written with albumentations in mind, but not imgaug."""


def altered(library: str, images: dict[str, Image]) -> dict[str, Image]:
    """Edit ``images`` with ``library``, and return the edited images as ``image|operation|group`` -> image."""
    script = Path(__file__).with_name(f"foreign_{library}.py")
    with tempfile.TemporaryDirectory() as place:
        source, results = Path(place) / "given.npz", Path(place) / "made.npz"
        np.savez(source, **images)  # type: ignore[arg-type]
        uv_run(script, source, results)
        return dict(np.load(results))
