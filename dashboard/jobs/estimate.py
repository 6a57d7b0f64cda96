"""What a run will take: from a short measurement of this machine, or roughly where nobody has measured yet."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from probing_core.prediction.tile_samples import MOST_PICTURES, TILES
from probing_core.runs.series import (
    LAYER_CLEAN_IMAGES,
    LAYER_IMAGES,
    RENDERED_IMAGES,
    SERIES_IMAGES,
    STRENGTHS,
    pairs_among,
)
from probing_core.transforms import bank

ROUGH_NOTE = (
    "A rough guess for two cores: about 3 ms to make a sample, and for a model about 3 ms (baselines, small networks), "
    "15 ms (EfficientNet-Lite0) or 60 ms (large ones) a sample; then the probes and the maps. Measuring tells better."
)
MEASURED_NOTE = (
    "From a few pictures made and embedded on this machine just now, while it also did what else it was doing; "
    "{seconds:.0f} s a model are added for its probes and its map."
)
ROUGH_MAKE_S = 0.003
ROUGH_EMBED_S = {"baseline/": 0.003, "zoo/": 0.003, "timm:tf_efficientnet_lite0": 0.015, "file:": 0.0}
ROUGH_LARGE_S = 0.06
PROBES_AND_MAP_S = 20
"""Seconds a model, with the demo run's 6,400 samples in mind."""

TYPICAL_DIMENSION = 768
TYPICAL_BLOCKS = 12
"""Blocks of a network that are embedded beside its output, times the ways in which they are pooled."""

BYTES = 4


@dataclass(frozen=True)
class Speed:
    """Seconds a sample.

    Attributes:
        make_s: to make it, with the cores that there are.
        models: model -> (seconds to embed it, numbers in its embedding), of those that were measured.
        errors: model -> why it could not be.
    """

    make_s: float = ROUGH_MAKE_S
    models: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | bytes) -> Speed:
        """Of what ``python -m probing_core.cli.speed`` printed."""
        told: dict[str, Any] = json.loads(text)
        entries = told["models"].items()
        return cls(
            told["make_s"] / told["cores"],
            {name: (entry["embed_s"], entry["dim"]) for name, entry in entries if "error" not in entry},
            {name: entry["error"] for name, entry in entries if "error" in entry},
        )


ROUGH = Speed()


@dataclass(frozen=True)
class Estimate:
    """What a run will take: samples, seconds, megabytes of disk; and whether all of it was measured."""

    samples: int
    seconds: float
    megabytes: float
    measured: bool


def estimate(
    images: int, transforms: int, models: Sequence[str], view: int, speed: Speed = ROUGH, *, few: bool = False
) -> Estimate:
    """For ``images`` under ``transforms`` transformations and two identities.

    Args:
        few: whether they are cut from so few photographs that one is left out at a time; such a run has no series.
    """
    samples = images * (transforms + 2) + (0 if few else _further(images, transforms))
    make_s = speed.make_s * (view / 128) ** 2 if speed is ROUGH else speed.make_s
    known = [speed.models.get(m, (_rough(m), TYPICAL_DIMENSION)) for m in models]
    seconds = samples * (make_s + sum(s for s, _ in known)) + PROBES_AND_MAP_S * len(models)
    numbers = samples * sum(dim for _, dim in known)
    if not few:
        networks = [known[i][1] for i, m in enumerate(models) if not m.startswith(("baseline/", "file:"))]
        numbers += _layer_samples(images, transforms) * sum(networks) * (TYPICAL_BLOCKS - 1)
    megabytes = numbers * BYTES / 1e6
    return Estimate(samples, seconds, megabytes, all(m in speed.models for m in models))


def _further(images: int, transforms: int) -> int:
    """Samples of the series and large pictures, of a corpus whose test and train splits have the usual shares."""
    tested, learned = min(SERIES_IMAGES, images // 5), min(RENDERED_IMAGES, 4 * images // 5)
    looked_at = min(MOST_PICTURES, images // 5) * (transforms + 1) * (1 + TILES)
    series = tested * (STRENGTHS * transforms + len(pairs_among(bank()))) + learned * (transforms + 1)
    return series + _layer_samples(images, transforms) + looked_at


def _layer_samples(images: int, transforms: int) -> int:
    """Samples of which every block of a network is embedded."""
    return min(sum(LAYER_IMAGES.values()), images) * transforms + min(sum(LAYER_CLEAN_IMAGES.values()), images)


def _rough(model: str) -> float:
    return next((s for start, s in ROUGH_EMBED_S.items() if model.startswith(start)), ROUGH_LARGE_S)


@dataclass(frozen=True)
class Measuring:
    """A measurement in a process of its own, so that the page goes on and no model stays in its memory."""

    process: subprocess.Popen
    output: IO[bytes]

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def result(self) -> Speed | str:
        """What was measured, or one sentence that says why nothing was; once it no longer runs."""
        self.output.seek(0)
        lines = self.output.read().decode(errors="replace").strip().splitlines()
        if self.process.returncode or not lines:
            return lines[-1] if lines else "The measurement was stopped."
        return Speed.from_json(lines[-1])


def start_measuring(models: Sequence[str], view: int, transforms: Sequence[str]) -> Measuring:
    """Begins to measure how fast this machine makes and embeds pictures."""
    command = ["--models", ",".join(models), "--view", str(view), "--transforms", ",".join(transforms)]
    output = tempfile.TemporaryFile()  # noqa: SIM115  # a pipe that nobody reads would stop who says much
    process = subprocess.Popen(
        [sys.executable, "-m", "probing_core.cli.speed", *command],
        stdout=output,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    return Measuring(process, output)
