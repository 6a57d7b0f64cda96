"""Ratio of the estimated to the measured duration of a small run (see also `lab.evidence.announced`)."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.evidence.announced import ENCODER, kinds, measure


@dataclass(frozen=True)
class Size:
    """Size of the benchmark.

    Attributes:
        images: number of images of the reference corpus.
        until: last stage of the run; empty for all stages.
    """

    images: int = 60
    model: str = ENCODER
    until: str = ""


SMALL = Size(8, "baseline/pixels", "embed")


def run(size: Size) -> dict[str, dict[str, float]]:
    """Return ``announced`` with the ratio ``over_taken`` (target: 0.67 to 1.5)."""
    with tempfile.TemporaryDirectory() as folder:
        measurement = measure(
            kinds(size.images, encoder=size.model)["photographs with splits"], Path(folder), size.until
        )
    return {"announced": {"over_taken": round(measurement.announced / measurement.took, 3)}}
