"""``accelerator``: how busy a run keeps an accelerator, simulated by one that sleeps as a GPU would.

Pictures are decoded, transformed and prepared for eight networks as in any run; instead of a pass, a device takes a
batch at a time and is busy for some time per picture.
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

from probing_core.models.embedder import LoadedEmbedder, Preprocessing
from probing_core.models.preprocessing import make_batch
from probing_core.models.processor import DEVICE_BATCH, BatchThreads, Pass
from probing_core.run import embedding_worker
from probing_core.run.options import EMBED, Options
from probing_core.run.stages import run as make_run
from probing_core.transforms.transformation import Image

NETWORK = Preprocessing(size=(224, 224))


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        images: of the reference corpus, each of which gives about 48 samples. The device sleeps in proportion to the
            processor's part, which is half a minute on two cores, so that the three runs end within five minutes also
            where the processor is half as fast.
        models: networks that embed each picture.
        slow, fast: seconds of the device, relative to those of the processor's part of the run.
    """

    images: int = 24
    models: int = 8
    slow: float = 1.5
    fast: float = 0.25


SMALL = Size(1, 2)


def run(size: Size) -> dict[str, dict[str, float]]:
    """Return ``accelerator``:

    - ``busy_when_slow``: where the device takes longer than the processor, the share of the time from its first batch
      to its last in which it is busy; 0.95 or more is the aim.
    - ``run_over_processor``: seconds of a run with a device that takes less, over those of the run whose device takes
      none; at most 1.1 is the aim.
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
    """Computes passes one after the other, by sleeping.

    Attributes:
        pictures: number taken.
        busy_s: seconds that it was busy.
        seconds: from its first batch to the end of its last.
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
    """A network on a `Device`; the mean color of the prepared picture is its embedding."""

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
    """Return the device, and the seconds of the stage ``embed`` of a run over it."""
    device = Device(seconds_a_picture)
    names = [f"baseline/random-vit@seed={i}" for i in range(1, size.models + 1)]
    options = Options(corpus="reference", models=names, limit=size.images, repetitions=1)
    with tempfile.TemporaryDirectory() as folder, _sleeping(device):
        begun = time.perf_counter()
        make_run(Path(folder) / "run", options, (EMBED,))
        return device, time.perf_counter() - begun


@contextmanager
def _sleeping(device: Device) -> Iterator[None]:
    with mock.patch.object(embedding_worker, "load_embedder", lambda name, **_: Sleeping(name, device)):
        yield
