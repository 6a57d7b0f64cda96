"""Estimates of a run: samples and disk from its settings, time from earlier runs on this computer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dashboard.jobs import processes
from probing_core.compute.live.large import MOST_PICTURES, TILES
from probing_core.compute.series import (
    LAYER_CLEAN_IMAGES,
    LAYER_IMAGES,
    RENDERED_IMAGES,
    SERIES_IMAGES,
    STRENGTHS,
    pairs_among,
)
from probing_core.results import Run
from probing_core.transforms import bank

TYPICAL_DIMENSION = 768
TYPICAL_BLOCKS = 12
"""Blocks of a network whose embeddings are stored beside its output, times the ways of pooling them."""

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
    images: int, transforms: int, dimensions: dict[str, int | None], pace: Pace | None = None, *, few: bool = False
) -> Estimate:
    """Return the estimate of a run over ``images`` images, ``transforms`` transformations and two identities.

    Args:
        dimensions: model -> numbers in its embedding, None where only loading it could find out.
        pace: pace of the run from which the time is estimated.
        few: whether the images are cut from so few photographs that the run has no splits; such a run has no series.
    """
    drawn = images * (transforms + 2)
    samples = drawn + (0 if few else _further(images, transforms))
    sizes = {model: dimension or TYPICAL_DIMENSION for model, dimension in dimensions.items()}
    numbers = samples * sum(sizes.values())
    if not few:
        networks = [size for model, size in sizes.items() if not model.startswith(("baseline/", "file:", "style:"))]
        numbers += _layer_samples(images, transforms) * sum(networks) * (TYPICAL_BLOCKS - 1)
    seconds = None if pace is None else pace.each_s * drawn * len(dimensions)
    return Estimate(samples, numbers * BYTES / 1e6, seconds)


def _further(images: int, transforms: int) -> int:
    """Return the samples of the series and of large pictures, for a corpus with the usual test and train shares."""
    tested, learned = min(SERIES_IMAGES, images // 5), min(RENDERED_IMAGES, 4 * images // 5)
    large = min(MOST_PICTURES, images // 5) * (transforms + 1) * (1 + TILES)
    series = tested * (STRENGTHS * transforms + len(pairs_among(bank()))) + learned * (transforms + 1)
    return series + _layer_samples(images, transforms) + large


def _layer_samples(images: int, transforms: int) -> int:
    """Return the samples of which every block of a network is embedded."""
    return min(sum(LAYER_IMAGES.values()), images) * transforms + min(sum(LAYER_CLEAN_IMAGES.values()), images)
