"""Utilization of a simulated accelerator during a run.

Images are decoded, transformed and preprocessed for eight networks as in any run. Instead of computing forward passes,
a simulated device sleeps for a fixed time per image, one batch at a time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any
from unittest import mock

import numpy as np
import torch

from probing_core.models.embedder import LoadedEmbedder
from probing_core.models.preprocessing import Preprocessing, make_batch
from probing_core.models.processor import DEVICE_BATCH, BatchThreads, Pass
from probing_core.run import embedding_worker
from probing_core.run.options import EMBED, Options
from probing_core.run.pipeline import run as make_run
from probing_core.transforms.transformation import Image

NETWORK = Preprocessing(size=(224, 224))


@dataclass(frozen=True)
class Size:
    """Size of the benchmark.

    Attributes:
        images: number of images of the reference corpus, each with about 48 samples.
        models: number of networks that embed each image.
        transforms: names of the transformations; all transformations if empty.
        slow, fast: time of the device, relative to the time of the processor.
    """

    images: int = 24
    models: int = 8
    transforms: tuple[str, ...] = ()
    slow: float = 1.5
    fast: float = 0.25


SMALL = Size(1, 2, ("brighten", "gaussian-blur"))


def run(size: Size) -> dict[str, dict[str, float]]:
    """Run the benchmark.

    Returns:
        ``accelerator``: ``busy_when_slow`` is the fraction of time in which the device is busy if it is slower than the
        processor (target: at least 0.95). ``run_over_processor`` is the duration of a run with a device that is faster
        than the processor, relative to a run with an infinitely fast device (target: at most 1.1).
    """
    device, processor = _run(size, 0.0)
    slow, fast = (_run(size, share * processor / device.pictures) for share in (size.slow, size.fast))
    return {
        "accelerator": {
            "busy_when_slow": round(slow[0].busy_s / slow[0].seconds, 3),
            "run_over_processor": round(fast[1] / processor, 3),
        }
    }


class Device:
    """Simulated device that processes batches sequentially by sleeping.

    Attributes:
        pictures: number of processed images.
        busy_s: time in seconds in which the device was busy.
        seconds: time in seconds from the start of the first batch to the end of the last batch.
    """

    def __init__(self, seconds_a_picture: float) -> None:
        self._each, self._lock = seconds_a_picture, Lock()
        self._first = self._free = 0.0
        self.pictures, self.busy_s = 0, 0.0

    @property
    def seconds(self) -> float:
        return self._free - self._first

    def begin(self, batch: np.ndarray) -> Pass[np.ndarray]:
        now, takes = time.perf_counter(), len(batch) * self._each
        with self._lock:
            self._first = self._first or now
            self._free = end = max(now, self._free) + takes
            self.pictures, self.busy_s = self.pictures + len(batch), self.busy_s + takes
        rows = batch.mean((1, 2))

        def computed() -> np.ndarray:
            time.sleep(max(0.0, end - time.perf_counter()))
            return rows

        return computed


class Sleeping(LoadedEmbedder):
    """Simulated network on a `Device`, whose embedding is the mean color of the preprocessed image."""

    dim = 3

    def __init__(self, name: str, device: Device) -> None:
        self.name, self.device, self._on = name, "cuda", device
        self._batches = BatchThreads(torch.device("cuda"), torch.get_num_threads())

    def embed(self, images: Sequence[Image]) -> np.ndarray:
        def prepare(batch: range) -> np.ndarray:
            return make_batch(images[batch.start : batch.stop], NETWORK, self._batches.each_picture)

        batches = self._batches.batches(range(len(images)), DEVICE_BATCH)
        return np.concatenate(list(self._batches.feed(prepare, self._on.begin, batches)))

    def recipe(self) -> Mapping[str, Any]:  # type: ignore[override]
        return {"sleeping": self.name}


def _run(size: Size, seconds_a_picture: float) -> tuple[Device, float]:
    """Run the stage ``embed`` with a device, and return the device and the duration in seconds."""
    device = Device(seconds_a_picture)
    names = [f"baseline/random-vit@seed={i}" for i in range(1, size.models + 1)]
    options = Options(corpus="reference", models=names, transforms=size.transforms, limit=size.images, repetitions=1)
    with tempfile.TemporaryDirectory() as folder, _sleeping(device):
        begun = time.perf_counter()
        make_run(Path(folder) / "run", options, EMBED)
        return device, time.perf_counter() - begun


@contextmanager
def _sleeping(device: Device) -> Iterator[None]:
    with mock.patch.object(embedding_worker, "load_embedder", lambda name, **_: Sleeping(name, device)):
        yield
