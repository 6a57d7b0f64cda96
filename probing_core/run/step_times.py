"""Recorded durations of steps, from which the duration of other runs is estimated.

Each run appends the durations of its steps to ``log/steps.jsonl``. `lab.scripts.step_times` collects them in
``step-times.json``, which is part of the package. The expected duration of a step is interpolated between recorded
durations of the same kind of step by size (samples × dimensions), and scaled to the speed of this machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from probing_core.probes.linear import fit
from probing_core.run.files import read_json
from probing_core.run.layout import LOG, MODELS

STEP_LOG = f"{LOG}/steps.jsonl"

RECORDED = Path(__file__).with_name("step-times.json")

EMBEDDING, LOADED = "embedding", "loading"
"""Kinds of work that are not single steps: passing samples to transformations and models, and loading a model."""

TIMED_FITS = 3

UNSPLIT = " without splits"
"""Suffix of kinds of steps in runs without splits, which use cross-validation."""


@dataclass(frozen=True)
class StepTime:
    """Duration of one step.

    Attributes:
        kind: kind of the step (`kind_of`).
        size: number of samples, multiplied by the embedding dimension for steps of one model.
        seconds: duration in seconds.
    """

    kind: str
    size: float
    seconds: float


def kind_of(step: str, has_splits: bool) -> str:
    """Return the kind of a step, which is its name without the model.

    Examples:
        >>> kind_of("models/zoo-mae/studies/uses", True), kind_of("tables/scores", False)
        ('studies/uses', 'tables/scores without splits')
    """
    name = step.removeprefix(MODELS).partition("/")[2] if step.startswith(MODELS) else step
    return name if has_splits else f"{name}{UNSPLIT}"


def note(root: Path, times: Iterable[StepTime]) -> None:
    """Append durations to the log of the run ``root``. Write errors are ignored."""
    lines = "".join(f"{json.dumps(asdict(each))}\n" for each in times)
    with suppress(OSError):
        (root / LOG).mkdir(exist_ok=True)
        with (root / STEP_LOG).open("a", encoding="utf-8") as file:
            file.write(lines)


def noted(root: Path) -> list[StepTime]:
    """Return the durations in the log of the run ``root``."""
    lines = (root / STEP_LOG).read_text(encoding="utf-8").splitlines()
    return [StepTime(**json.loads(line)) for line in lines]


class StepTimes:
    """Expected durations of steps.

    Args:
        recorded: kind of a step -> recorded sizes and durations in seconds.
        slowness: duration of a computation on this machine, relative to the machine that recorded the durations.
    """

    def __init__(self, recorded: Mapping[str, list[tuple[float, float]]], slowness: float) -> None:
        self._recorded, self._slowness = recorded, slowness

    def seconds(self, kind: str, size: float) -> float:
        """Return the expected duration of a step in seconds.

        The duration is interpolated linearly. Above the largest recorded size, it is proportional to the size. Below
        the smallest size, it is constant, because small steps mostly consist of a fixed cost. Unknown kinds of steps
        have the median duration of all kinds.
        """
        points = self._recorded.get(kind) or self._recorded.get(kind.removesuffix(UNSPLIT))
        if not points:
            largest = [max(each)[1] for each in self._recorded.values()]
            return float(np.median(largest)) * self._slowness if largest else 0.0
        sizes, seconds = np.array(sorted(points)).T
        expected = np.interp(size, sizes, seconds) * max(1.0, size / sizes[-1])
        return float(expected) * self._slowness


@cache
def step_times() -> StepTimes:
    """Return the expected durations on this machine, which is timed once."""
    content: dict[str, Any] = read_json(RECORDED)
    fit_s = min(timed_fit() for _ in range(TIMED_FITS))  # other processes only make it longer
    return StepTimes(content["steps"], fit_s / content["fit_s"])


def timed_fit() -> float:
    """Return the duration in seconds of fitting a linear probe to synthetic data."""
    rng, rows, dim, classes = np.random.default_rng(0), 2048, 192, 31
    y = np.arange(rows) % classes
    X = (rng.normal(size=(classes, dim))[y] * 0.25 + rng.normal(size=(rows, dim))).astype(np.float32)
    held_out, names = (X[: rows // 4], y[: rows // 4]), [str(i) for i in range(classes)]
    fit_probe = partial(fit, classes=names, validation=held_out, penalties=(1e-2,))
    fit_probe(X[::8], y[::8])  # the first fit allocates memory
    began = time.perf_counter()
    fit_probe(X, y)
    return time.perf_counter() - began
