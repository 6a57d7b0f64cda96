"""Edit images with another library: ``uv run lab/evidence/foreign_LIBRARY.py IN.npz OUT.npz``.

Each image in IN is edited once with a random variant of each operation. The arrays in OUT are named
``image|operation|group``. The script of each library defines its operations; this module requires only NumPy.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Operations = Callable[[np.random.Generator], dict[tuple[str, str], list]]
"""Function that draws parameters and returns the variants of each (operation, group)."""

Changed = Callable[[np.ndarray, Any, int], np.ndarray]
"""Function that maps an image, a variant and a seed to the edited image."""


def main(operations: Operations, changed: Changed) -> None:
    """Edit the images in the first file named on the command line, and write the results to the second file."""
    source, out = sys.argv[1:]
    np.savez(out, **dict(pictures(np.load(source), operations, changed)))


def pictures(images: Any, operations: Operations, changed: Changed) -> Iterator[tuple[str, np.ndarray]]:
    for name in images.files:
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        for (operation, group), ways in operations(rng).items():
            way = ways[int(rng.integers(len(ways)))]
            yield f"{name}|{operation}|{group}", changed(images[name], way, int(rng.integers(10**9)))
