"""Quality at which a JPEG file was compressed."""

from __future__ import annotations

import numpy as np
from PIL import Image as pillow

# fmt: off
LUMINANCE_TABLE = np.array([
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
])
# fmt: on
"""ITU-T T.81, table K.1: what libjpeg scales by the quality."""


def quality_of_table(table: list[int]) -> int:
    """Return the libjpeg quality, 1 to 100, whose luminance table is closest to ``table`` (64 numbers, row by row).

    libjpeg's rule (jcparam.c): the standard table times ``5000 / q`` percent below 50, ``200 - 2 q`` from there.
    Exact for libjpeg's own files, an estimate for those of other encoders.
    """
    quality = np.arange(1, 101)
    percent = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables = np.clip((LUMINANCE_TABLE[None, :] * percent[:, None] + 50) // 100, 1, 255)
    return int(quality[np.abs(tables - np.asarray(table)).sum(axis=1).argmin()])


def jpeg_quality(opened: pillow.Image) -> int | None:
    """Estimate the quality of a JPEG picture, 1 to 100; None unless ``opened`` is a JPEG."""
    tables = getattr(opened, "quantization", None) or {}
    return quality_of_table(tables[0]) if 0 in tables else None
