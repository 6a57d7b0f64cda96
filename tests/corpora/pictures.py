"""Small made pictures, each different."""

from __future__ import annotations

import numpy as np

from probing_core.images import encode_png


def made(number: int, side: int = 24) -> np.ndarray:
    """(side, side, 3) the picture of this number: lossless in PNG, different for every number below 200."""
    y, x = np.mgrid[:side, :side]
    return np.stack([x * 5, y * 5, np.full_like(x, number)], axis=2).astype(np.uint8)


def made_png(number: int, side: int = 24) -> bytes:
    return encode_png(made(number, side))
