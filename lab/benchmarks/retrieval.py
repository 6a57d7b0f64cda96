"""Scaling of the duration and memory of a gallery search."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lab.benchmarks._common import in_process, peak_mb, seconds_of
from probing_core.measures.neighbors import ranks, unit

BLOCK = 2**16

QUERIES, DIM = 500, 64


@dataclass(frozen=True)
class Size:
    """Numbers of images in two galleries."""

    few: int = 100_000
    many: int = 1_000_000


SMALL = Size(600, 1200)


def run(size: Size) -> dict[str, float]:
    """``retrieval_gallery_s`` and ``retrieval_gallery_mb``: seconds that 500 pictures take in a gallery of 100,000, and
    the peak memory of the process; ``retrieval_gallery_memory_ratio``: the peak with a million over it, at most 1.1
    being the aim."""
    few, many = (in_process("lab.benchmarks.retrieval", count) for count in (size.few, size.many))
    return {
        "retrieval_gallery_s": round(few["s"], 2),
        "retrieval_gallery_mb": round(few["mb"]),
        "retrieval_gallery_memory_ratio": round(many["mb"] / few["mb"], 3),
    }


def _measure(size: int) -> dict[str, float]:
    """Search a gallery that is generated in blocks, so that the peak memory is caused by the search."""

    def gallery() -> Iterator[np.ndarray]:
        for start in range(0, size, BLOCK):
            rng = np.random.default_rng(start)
            yield unit(rng.standard_normal((min(BLOCK, size - start), DIM), np.float32), np.float32)

    originals = next(gallery())[:QUERIES]
    noise = np.random.default_rng(1).standard_normal(originals.shape, np.float32)
    queries = unit(originals + 0.05 * noise, np.float32)
    took = seconds_of(lambda: ranks(queries, originals, gallery(), np.arange(QUERIES), np.arange(size)))
    return {"s": took, "mb": peak_mb()}


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))))
