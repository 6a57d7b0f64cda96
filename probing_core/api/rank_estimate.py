"""Estimate how long the quick protocol takes for a model on this machine, before its weights are downloaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from probing_core.api.rank import quick_samples
from probing_core.api.score import function_of, name_of, spec_of
from probing_core.cores import cores
from probing_core.models import CATALOG as MODELS
from probing_core.models import parse
from probing_core.models.embedder import LoadedEmbedder
from probing_core.models.untrained import Download, load_or_build
from probing_core.results.run import Run, open_run
from probing_core.run.evaluate import quick_step
from probing_core.run.step_times import kind_of, step_times

Result = TypeVar("Result")

MEASURED_SAMPLES = 64
"""Number of samples whose computation is timed, and maximum number of samples whose embedding is timed."""

FEW_SAMPLES, FAST_S = 16, 0.2
"""Number of samples that are embedded first. If this takes less than `FAST_S` seconds, all samples are timed."""


@dataclass(frozen=True)
class QuickEstimate:
    """Estimated duration of the quick protocol for a model on this machine, with a readable `repr`.

    Attributes:
        model: name of the model.
        seconds: time in seconds to compute and embed the samples and to train the probe.
        samples: number of samples.
        download: size of the weights if they are not available locally. In this case, random weights were timed.
        disk_mb: size of the embeddings in megabytes.
    """

    model: str
    seconds: float
    samples: int
    download: Download
    disk_mb: float

    def __str__(self) -> str:
        download = f"a download of {self.download} and " if self.download.megabytes else ""
        return (
            f"Ranking {self.model} takes about {max(1, round(self.seconds / 60))} min on this machine "
            f"({self.samples:,} samples) and requires {download}{max(1, round(self.disk_mb)):,} MB of disk space."
        )

    __repr__ = __str__


def estimate_rank(
    model: str | Callable[[Sequence[np.ndarray]], np.ndarray],
    base: Path | Run | None = None,
    *,
    corpus: str | None = None,
    device: str = "auto",
) -> QuickEstimate:
    """Estimate the duration of `rank` with the quick protocol, without downloading weights.

    Args:
        model: name of one model, or a function.
        base: as in `rank`.
        corpus: as in `rank`.
        device: as in `rank`.

    Raises:
        ProbingError: as in `rank`, or the duration cannot be measured before the model's files are downloaded.
    """
    return RankEstimator(base, corpus).estimate(model, device)


class RankEstimator:
    """Estimates the duration of the quick protocol. The samples are computed once, for the first model.

    Args:
        base: as in `rank`.
        corpus: as in `rank`.

    Raises:
        ProbingError: as in `rank`.
    """

    def __init__(self, base: Path | Run | None = None, corpus: str | None = None) -> None:
        self._scored = quick_samples(open_run(base), corpus)
        places = np.linspace(0, len(self._scored) - 1, MEASURED_SAMPLES).astype(int)
        self._scored[0]  # reads the table of the corpus
        self._images, self._making_s = _timed(lambda: [self._scored[int(place)] for place in places])

    def estimate(
        self, model: str | Callable[[Sequence[np.ndarray]], np.ndarray], device: str = "auto"
    ) -> QuickEstimate:
        """Return the estimate for one model. Arguments and errors are the same as for `estimate_rank`."""
        if isinstance(model, str):
            return self._estimated(parse(model).full, device)
        name, view = name_of(model), self._scored.recipe.view
        with MODELS.temporarily(spec_of(function_of(model, None, view, device), name, self._scored, None)):
            return self._estimated(name, device)

    def _estimated(self, name: str, device: str) -> QuickEstimate:
        embedder, download = load_or_build(name, device=device, precision="auto")
        with closing(embedder):
            seconds, dim = self._seconds(embedder)
        samples = len(self._scored)
        return QuickEstimate(
            model=name, seconds=seconds, samples=samples, download=download, disk_mb=4 * dim * samples / 1e6
        )

    def _seconds(self, embedder: LoadedEmbedder) -> tuple[float, int]:
        """Estimate the time in seconds for all samples and the probe, and return it with the embedding dimension."""
        dim = embedder.embed(self._images[:2]).shape[1]  # the first call initializes the engine
        samples, timed = len(self._scored), self._images[:FEW_SAMPLES]
        _, embedding_s = _timed(lambda: embedder.embed(timed))
        if embedding_s < FAST_S:
            timed = self._images
            _, embedding_s = _timed(lambda: embedder.embed(timed))
        image_s = self._making_s / cores() / len(self._images) + embedding_s / len(timed)
        probe_s = step_times().seconds(kind_of(quick_step("model"), has_splits=True), samples * dim)
        return image_s * samples + probe_s, dim


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began
