"""Alters pictures by another library, in that library's own environment; `scripts.detector_foreign` starts it.

    python foreign_altered.py LIBRARY PICTURES.npz OUT.npz

Every picture is altered once by each operation of the library, in one of its ways. The names of the arrays in OUT are
``name|operation|group``.
"""

from __future__ import annotations

import sys
import zlib
from importlib import import_module

import numpy as np


def main() -> None:
    library = import_module(f"foreign_{sys.argv[1]}")
    pictures = np.load(sys.argv[2])
    made = {}
    for name in pictures.files:
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        for (operation, group), ways in library.operations(rng).items():
            way = ways[int(rng.integers(len(ways)))]
            made[f"{name}|{operation}|{group}"] = library.changed(pictures[name], way, int(rng.integers(10**9)))
    np.savez(sys.argv[3], **made)


if __name__ == "__main__":
    main()
