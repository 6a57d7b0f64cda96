"""Generated color images for tests, with smooth areas, edges and texture, so that every transformation is visible."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from probing_core.images import encode_png


def scene(seed: int, side: int) -> np.ndarray:
    """Generate an image (side, side, 3) that depends only on ``seed`` and ``side``."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        color = tuple(int(v) for v in rng.integers(0, 256, 3))
        x, y, r = (int(v) for v in rng.integers(0, side, 3))
        cv2.circle(image, (x, y), max(2, r // 4), color, -1)
    texture = rng.normal(0, 12, (side, side, 1))
    return np.clip(image + texture, 0, 255).astype(np.uint8)


def write_scenes(folder: Path, count: int, side: int, first_seed: int = 0) -> Path:
    """Write ``count`` scenes as PNG files to the subfolders ``even`` and ``odd`` in ``folder``, and return it."""
    for i in range(count):
        label = folder / ("even" if i % 2 == 0 else "odd")
        label.mkdir(parents=True, exist_ok=True)
        (label / f"{i:02d}.png").write_bytes(encode_png(scene(first_seed + i, side)))
    return folder
