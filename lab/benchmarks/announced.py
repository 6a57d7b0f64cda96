"""``announced``: what was announced for a small run over what it took; `lab.evidence.announced` has more kinds."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.evidence.announced import ENCODER, kinds, measure


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        images: of the reference corpus.
        until: the last stage; empty for all.
    """

    images: int = 60
    model: str = ENCODER
    until: str = ""


SMALL = Size(8, "baseline/pixels", "embed")


def run(size: Size) -> dict[str, dict[str, float]]:
    """Return ``announced``: ``over_taken``; the aim is between 0.67 and 1.5."""
    with tempfile.TemporaryDirectory() as folder:
        measurement = measure(kinds(size.images, encoder=size.model)["splits"], Path(folder), size.until)
    return {"announced": {"over_taken": round(measurement.announced / measurement.took, 3)}}
