"""Throughput of each bundled embedder beside its bare forward pass, at the same batch and precision."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from probing_core.embedders import bundled, load_embedder
from probing_core.embedders.base import LoadedEmbedder
from probing_core.embedders.network.embedder import NetworkEmbedder

IMAGES, VIEW, ROUNDS = 64, 128, 5


def run() -> dict:
    """Embedder -> images a second of ``embed`` on views of 128 px; for networks also of the forward pass on batches
    that are ready (``bare``), and the first over the second (``ratio``, 1 at best)."""
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (IMAGES, VIEW, VIEW, 3), dtype=np.uint8))
    result = {}
    for name in bundled():
        embedder = load_embedder(name, device="cpu")
        row: dict = {"precision": embedder.precision}
        # interleaved, so that other work on the machine slows both alike
        whole, *bare = _fastest(lambda e=embedder: e.embed(images), *_bare(embedder, images))
        row["images_per_s"] = IMAGES / whole
        if bare:
            row |= {"bare_images_per_s": IMAGES / bare[0], "ratio": bare[0] / whole}
        result[name] = row
        embedder.close()
    return {"embedders": result}


def _bare(embedder: LoadedEmbedder, images: list[np.ndarray]) -> list[Callable[[], object]]:
    """The forward pass alone, on batches that are ready; nothing for embedders that are no networks."""
    if isinstance(embedder, NetworkEmbedder):
        size = embedder.batch_size
        batches = [embedder.prepare(images[i : i + size]) for i in range(0, len(images), size)]
        return [lambda: embedder.forward_all(batches)]
    return []


def _fastest(*functions: Callable[[], object]) -> list[float]:
    """Seconds of the fastest of `ROUNDS` calls of each function, called in turn."""
    best = [float("inf")] * len(functions)
    for _ in range(ROUNDS + 1):
        for position, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[position] = min(best[position], time.perf_counter() - start)
    return best
