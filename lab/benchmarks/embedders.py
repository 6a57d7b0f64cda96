"""Throughput of embedders relative to their forward passes, and of the forward passes relative to PyTorch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab.benchmarks._common import VIT, fastest, random_vit
from lab.devtools.networks import forward_all, run_in_pytorch
from probing_core.models import bundled, load_embedder
from probing_core.models.network import NetworkEmbedder

VIEW = 128


@dataclass(frozen=True)
class Size:
    """Models (by default all bundled models), a timm network, number of images, and number of rounds."""

    models: tuple[str, ...] = ()
    vit: str = VIT
    images: int = 64
    rounds: int = 5


SMALL = Size(("baseline/pixels",), "test_vit", 2, 1)


def run(size: Size) -> dict:
    """Embedder -> images a second of ``embed`` on views of 128 px. For networks also what computes them (``engine``);
    images a second of the forward pass on batches that are ready (``bare``), and the first over the second (``ratio``,
    1 at best); and the forward pass over PyTorch's eager mode, which takes the batches that pay for it, one on each
    core (``over_torch``)."""
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (size.images, VIEW, VIEW, 3), dtype=np.uint8))
    with tempfile.TemporaryDirectory() as folder:
        names = (*(size.models or bundled()), random_vit(Path(folder), size.vit))
        return {"embedders": {name.split("@")[0]: _row(name, images, size.rounds) for name in names}}


def _row(name: str, images: list[np.ndarray], rounds: int) -> dict:
    embedder = load_embedder(name, device="cpu")
    row: dict = {"precision": embedder.precision}
    if not isinstance(embedder, NetworkEmbedder):
        return row | {"images_per_s": len(images) / fastest(rounds, lambda: embedder.embed(images))[0]}
    eager = load_embedder(name, device="cpu")
    assert isinstance(eager, NetworkEmbedder)
    run_in_pytorch(eager)
    embed_s, network_s, torch_s = fastest(
        rounds, lambda: embedder.embed(images), _bare(embedder, images), _bare(eager, images)
    )
    row |= {
        "engine": embedder.engine,
        "images_per_s": len(images) / embed_s,
        "bare_images_per_s": len(images) / network_s,
    }
    for loaded in (embedder, eager):
        loaded.close()
    return row | {"ratio": network_s / embed_s, "over_torch": torch_s / network_s}


def _bare(embedder: NetworkEmbedder, images: list[np.ndarray]) -> Callable[[], object]:
    size = embedder.batch_size
    batches = [embedder.prepare(images[i : i + size]) for i in range(0, len(images), size)]
    return lambda: forward_all(embedder, batches)
