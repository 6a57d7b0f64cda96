"""Measure the seconds of `probing_core.score` over those of the forward passes of its encoder."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import probing_core

PHOTOGRAPHS = 100
MODEL = "resnet18"
BATCH = 64


def run() -> dict[str, dict[str, float]]:
    """``score``, of 100 of the photographs that ship, under the whole bank:

    - ``ratio``: seconds of scoring a function, timm's ResNet-18 with random weights in PyTorch at 224 pixels, nothing
      kept, over those of its forward passes on batches that are ready; at most 1.3 is the aim.
    - ``seconds``, ``forward``: the two.
    - ``again``: seconds of a second call, which is answered from what was kept.
    """
    encoder = _Encoder()
    samples = probing_core.samples(limit=PHOTOGRAPHS)
    forward = _forward_seconds(encoder, list(samples))
    # What each call computes anew: the choice of the photographs, the views, the probes of five tasks.
    whole = _seconds(lambda: probing_core.score(encoder, limit=PHOTOGRAPHS, cache=False, progress=False))
    probing_core.score(encoder, samples, progress=False)
    again = _seconds(lambda: probing_core.score(encoder, samples, progress=False))
    print(f"  {whole:.1f} s for forward passes of {forward:.1f} s", file=sys.stderr, flush=True)
    found = {"ratio": whole / forward, "seconds": whole, "forward": forward, "again": again}
    return {"score": {name: round(value, 3) for name, value in found.items()}}


class _Encoder:
    """A network as users write one: pictures in, rows out."""

    def __init__(self) -> None:
        import timm
        import torch

        torch.manual_seed(0)
        self._network = timm.create_model(MODEL, num_classes=0).eval()

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return self.forward(self.prepare(images))

    def prepare(self, images: Sequence[np.ndarray]) -> Any:
        import torch

        batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
        return torch.nn.functional.interpolate(batch, size=(224, 224), mode="bilinear", antialias=True)

    def forward(self, batch: Any) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._network(batch).numpy()


def _forward_seconds(encoder: _Encoder, views: Sequence[np.ndarray]) -> float:
    seconds = 0.0
    encoder(views[:BATCH])  # the first call of a network allocates
    for i in range(0, len(views), BATCH):
        batch = encoder.prepare(views[i : i + BATCH])
        seconds += _seconds(lambda batch=batch: encoder.forward(batch))
    return seconds


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
