"""Alters pictures by another library: what ``uv run lab/evidence/foreign_LIBRARY.py IN.npz OUT.npz`` does.

Each picture of IN is altered once by each operation, in one of its ways; the arrays of OUT are named
``picture|operation|group``. The library's own script has the operations; this file needs NumPy alone.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Operations = Callable[[np.random.Generator], dict[tuple[str, str], list]]
"""Draws parameters; (operation, group) -> ways to do it."""

Changed = Callable[[np.ndarray, Any, int], np.ndarray]
"""(picture, way, seed) -> the altered picture."""


def main(operations: Operations, changed: Changed) -> None:
    """Alter the pictures of the file that the command line names, and write the other."""
    source, out = sys.argv[1:]
    np.savez(out, **dict(pictures(np.load(source), operations, changed)))


def pictures(images: Any, operations: Operations, changed: Changed) -> Iterator[tuple[str, np.ndarray]]:
    for name in images.files:
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        for (operation, group), ways in operations(rng).items():
            way = ways[int(rng.integers(len(ways)))]
            yield f"{name}|{operation}|{group}", changed(images[name], way, int(rng.integers(10**9)))
