"""Alters pictures by another library: what ``uv run lab/evidence/foreign_LIBRARY.py {views,pictures} IN.npz OUT.npz``
does.

- ``views``: each photograph of IN is seen whole at 128 and 256 pixels and as a part at 128, and altered in every way;
  the arrays of OUT are named ``photograph|size|operation|group|number``.
- ``pictures``: each picture of IN is altered once by each operation, in one of its ways; ``picture|operation|group``.

The library's own script has the operations; this file needs NumPy and OpenCV alone.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np

SIZES = ((128, 1.0), (128, 0.6), (256, 1.0))
"""Pixels of the side, and share of the photograph's shorter side that is shown."""

Operations = Callable[[np.random.Generator], dict[tuple[str, str], list]]
"""Draws parameters; (operation, group) -> ways to do it."""

Changed = Callable[[np.ndarray, Any, int], np.ndarray]
"""(picture, way, seed) -> the altered picture."""

Named = Iterator[tuple[str, np.ndarray]]


def main(operations: Operations, changed: Changed) -> None:
    """Alter the pictures of the file that the command line names, and write the other."""
    how, source, out = sys.argv[1:]
    given = np.load(source)
    np.savez(out, **dict({"views": views, "pictures": pictures}[how](given, operations, changed)))


def views(photographs: Any, operations: Operations, changed: Changed) -> Named:
    rng = np.random.default_rng(0)
    for name in photographs.files:
        image = photographs[name]
        for size, share in SIZES:
            side = int(min(image.shape[:2]) * share)
            top, left = (int(rng.integers(0, length - side + 1)) for length in image.shape[:2])
            square = image[top : top + side, left : left + side]
            view = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
            for (operation, group), ways in operations(rng).items():
                for number, way in enumerate(ways):
                    picture = changed(view, way, int(rng.integers(10**9)))
                    yield f"{name}|{size}-{share}|{operation}|{group}|{number}", picture


def pictures(given: Any, operations: Operations, changed: Changed) -> Named:
    for name in given.files:
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        for (operation, group), ways in operations(rng).items():
            way = ways[int(rng.integers(len(ways)))]
            yield f"{name}|{operation}|{group}", changed(given[name], way, int(rng.integers(10**9)))
