"""Throughput of embedders beside their bare forward passes, and of these beside PyTorch's, at the same precision."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lab.benchmarks._models import random_vit
from probing_core.models import bundled, load_embedder
from probing_core.models.network import NetworkEmbedder

IMAGES, VIEW, ROUNDS = 64, 128, 5


def run() -> dict:
    """Embedder -> images a second of ``embed`` on views of 128 px. For networks also what computes them (``engine``);
    images a second of the forward pass on batches that are ready (``bare``), and the first over the second (``ratio``,
    1 at best); and the forward pass over PyTorch's eager mode, which takes the batches that pay for it, one on each
    core (``over_torch``)."""
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (IMAGES, VIEW, VIEW, 3), dtype=np.uint8))
    with tempfile.TemporaryDirectory() as folder:
        names = (*bundled(), random_vit(Path(folder)))
        return {"embedders": {name.split("@")[0]: _row(name, images) for name in names}}


def _row(name: str, images: list[np.ndarray]) -> dict:
    embedder = load_embedder(name, device="cpu")
    row: dict = {"precision": embedder.precision}
    if not isinstance(embedder, NetworkEmbedder):
        return row | {"images_per_s": IMAGES / _fastest(lambda: embedder.embed(images))[0]}
    eager = load_embedder(name, device="cpu")
    assert isinstance(eager, NetworkEmbedder)
    eager.run_in_pytorch()
    # interleaved, so that other work on the machine slows all alike
    whole, bare, torch = _fastest(lambda: embedder.embed(images), _bare(embedder, images), _bare(eager, images))
    row |= {"engine": embedder.engine, "images_per_s": IMAGES / whole, "bare_images_per_s": IMAGES / bare}
    for loaded in (embedder, eager):
        loaded.close()
    return row | {"ratio": bare / whole, "over_torch": torch / bare}


def _bare(embedder: NetworkEmbedder, images: list[np.ndarray]) -> Callable[[], object]:
    """The forward pass alone, on batches that are ready."""
    size = embedder.batch_size
    batches = [embedder.prepare(images[i : i + size]) for i in range(0, len(images), size)]
    return lambda: embedder.forward_all(batches)


def _fastest(*functions: Callable[[], object]) -> list[float]:
    """Seconds of the fastest of `ROUNDS` calls of each function, called in turn."""
    best = [float("inf")] * len(functions)
    for _ in range(ROUNDS + 1):
        for position, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[position] = min(best[position], time.perf_counter() - start)
    return best


if __name__ == "__main__":
    import json

    print(json.dumps(run(), indent=1))
