"""Estimates of a run: samples and disk from its settings, time from earlier runs on this computer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dashboard.jobs import processes
from probing_core.compute.names import LAYERS
from probing_core.compute.samples import Design, SamplePlan
from probing_core.compute.series import plan_series, series_names
from probing_core.corpora import assign_splits
from probing_core.results import Run

TYPICAL_DIMENSION = 768
TYPICAL_BLOCKS = 12
"""Blocks of a network whose embeddings are stored beside its output, times the ways of pooling them."""

WITHOUT_BLOCKS = ("baseline/",)
"""Beginnings of names of models that are no network of several blocks."""

BYTES = 4


@dataclass(frozen=True)
class Pace:
    """Time that a complete run took on this computer.

    Attributes:
        run: name of the run.
        models: models that it embedded.
        samples: number of samples that it made.
        took_s: seconds from its beginning to its end, pauses left out.
    """

    run: str
    models: tuple[str, ...]
    samples: int
    took_s: float

    @property
    def each_s(self) -> float:
        """Return the seconds for one sample and model, probes and maps included."""
        return self.took_s / (self.samples * len(self.models))


def paces(runs: Iterable[tuple[str, Run]]) -> list[Pace]:
    """Return the paces of those ``runs``, pairs of name and run, that were completed on this computer."""
    found = []
    for name, run in runs:
        report = processes.report_of(run.path)
        models = tuple(run.models["name"])
        if report is not None and report.state == "done" and report.took_s and models and run.sample_count:
            found.append(Pace(name, models, run.sample_count, report.took_s))
    return found


def most_alike(known: Sequence[Pace], models: Sequence[str]) -> Pace | None:
    """Return the pace whose models overlap most with ``models``: those in both over those in either."""
    wanted = set(models)
    return max(known, key=lambda pace: len(wanted & set(pace.models)) / len(wanted | set(pace.models)), default=None)


@dataclass(frozen=True)
class Estimate:
    """Expected size of a run: samples, megabytes of disk, and seconds, None where no run gives a pace."""

    samples: int
    megabytes: float
    seconds: float | None


def estimate(
    images: int, photographs: int, design: Design, dimensions: dict[str, int | None], pace: Pace | None = None
) -> Estimate:
    """Return the estimate of a run of a ``design`` over ``images`` images that are cut from ``photographs``.

    The samples are counted by planning them, for images in the usual splits.

    Args:
        dimensions: model -> numbers in its embedding, None where only loading it could find out.
        pace: pace of the run from which the time is estimated.
    """
    if not images:
        return Estimate(0, 0.0, None)
    table = _invented(images, photographs, design.seed)
    sizes = {model: dimension or TYPICAL_DIMENSION for model, dimension in dimensions.items()}
    networks = [size for model, size in sizes.items() if not model.startswith(WITHOUT_BLOCKS)]
    main = len(SamplePlan(design, table))
    series = {name: len(plan_series(name, design, table)) for name in series_names(design, table)}
    layers = series.pop(LAYERS, 0)
    in_blocks = layers if networks else 0
    samples = main + sum(series.values()) + in_blocks
    numbers = samples * sum(sizes.values()) + in_blocks * sum(networks) * (TYPICAL_BLOCKS - 1)
    seconds = None if pace is None else pace.each_s * main * len(dimensions)
    return Estimate(samples, numbers * BYTES / 1e6, seconds)


def _invented(images: int, photographs: int, seed: int) -> pd.DataFrame:
    """Return the table of ``images`` invented images, as many of each photograph."""
    bases = [f"photograph {i % photographs}" for i in range(images)]
    return pd.DataFrame(
        {
            "image_id": np.arange(images).astype(str),
            "base_id": bases,
            "label": "",
            "split": assign_splits(bases, seed),
            "used": True,
            "why_not": "",
        }
    )
