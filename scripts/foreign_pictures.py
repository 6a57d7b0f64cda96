"""Changes pictures by another library, in that library's own virtual environment; `scripts.foreign` starts it.

    python foreign_pictures.py LIBRARY PHOTOGRAPHS.npz OUT.npz

Each photograph is seen whole at 128 and 256 pixels and as a part at 128. The names of the arrays in OUT are
``photograph|size|operation|group|number``.
"""

from __future__ import annotations

import sys
from importlib import import_module

import cv2
import numpy as np

SIZES = ((128, 1.0), (128, 0.6), (256, 1.0))
"""Pixels of the side, and share of the photograph's shorter side that is shown."""


def main() -> None:
    library = import_module(f"foreign_{sys.argv[1]}")
    photographs = np.load(sys.argv[2])
    rng = np.random.default_rng(0)
    made = {}
    for name in photographs.files:
        image = photographs[name]
        for size, share in SIZES:
            side = int(min(image.shape[:2]) * share)
            top, left = (int(rng.integers(0, length - side + 1)) for length in image.shape[:2])
            square = image[top : top + side, left : left + side]
            view = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
            for (operation, group), ways in library.operations(rng).items():
                for number, way in enumerate(ways):
                    picture = library.changed(view, way, int(rng.integers(10**9)))
                    made[f"{name}|{size}-{share}|{operation}|{group}|{number}"] = picture
    np.savez(sys.argv[3], **made)


if __name__ == "__main__":
    main()
