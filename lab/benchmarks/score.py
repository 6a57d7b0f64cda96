"""Duration of `probing_core.score`, relative to the forward passes of its encoder."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import probing_core

BATCH = 64
EVERY = 4
"""Step between the batches whose forward passes are measured separately."""


@dataclass(frozen=True)
class Size:
    """Number of photographs, timm network, and input size in pixels."""

    photographs: int = 100
    model: str = "resnet18"
    side: int = 224


SMALL = Size(6, "test_resnet", 64)


def run(size: Size) -> dict[str, dict[str, float]]:
    """``score``, of 100 of the photographs that ship, under the whole bank, with a function: timm's ResNet-18 with
    random weights in PyTorch at 224 pixels. Two ratios that hold on a busy machine, of which at most 1.3 is the aim:

    - ``ratio``: processor seconds of the call over those of the forward passes on batches that are ready.
    - ``waits``: seconds of the call over those that it spends in the forward passes.

    And ``seconds`` of the call, and ``again``, those of a second call, which is answered from what was kept.
    """
    encoder = _Encoder(size)
    views = list(probing_core.samples(limit=size.photographs))
    encoder(views[:BATCH])  # the first call of a network allocates memory
    forward = _forward(encoder, views)
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("probing_core.api.score.user_cache_path", lambda *_, **__: Path(folder)),
    ):
        encoder.seconds = 0.0
        seconds, processor = _measured(lambda: probing_core.score(encoder, limit=size.photographs, progress=False))
        waits = seconds / encoder.seconds
        cached_s, _ = _measured(lambda: probing_core.score(encoder, limit=size.photographs, progress=False))
    print(f"  {processor:.1f} processor seconds, forward passes of {forward:.1f}", file=sys.stderr, flush=True)
    results = {"ratio": processor / forward, "waits": waits, "seconds": seconds, "again": cached_s}
    return {"score": {name: round(value, 3) for name, value in results.items()}}


class _Encoder:
    """A user-defined network that maps images to rows.

    Attributes:
        seconds: duration of its forward passes.
    """

    def __init__(self, size: Size) -> None:
        import timm
        import torch

        torch.manual_seed(0)
        self._network = timm.create_model(size.model, num_classes=0).eval()
        self._side = size.side
        self.seconds = 0.0

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        batch = self.prepare(images)
        began = time.perf_counter()
        rows = self.forward(batch)
        self.seconds += time.perf_counter() - began
        return rows

    def prepare(self, images: Sequence[np.ndarray]) -> Any:
        import torch

        batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
        return torch.nn.functional.interpolate(batch, size=(self._side, self._side), mode="bilinear", antialias=True)

    def forward(self, batch: Any) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._network(batch).numpy()


def _forward(encoder: _Encoder, views: Sequence[np.ndarray]) -> float:
    """Estimate the processor time of all forward passes in seconds from one batch in `EVERY`."""
    processor, measured = 0.0, 0
    for start in range(0, len(views), BATCH * EVERY):
        batch = encoder.prepare(views[start : start + BATCH])
        processor += _measured(lambda batch=batch: encoder.forward(batch))[1]
        measured += len(batch)
    return processor * len(views) / measured


def _measured(function: Callable[[], object]) -> tuple[float, float]:
    began, busy = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - began, time.process_time() - busy
