"""The design of the samples of a run."""

from __future__ import annotations

from dataclasses import dataclass

from probing_core.transforms.base import Transform


@dataclass(frozen=True, kw_only=True)
class Design:
    """Parameters by which samples are made of a corpus; the same design gives the same samples.

    Attributes:
        view: pixels of the side of the views.
        transforms: in order, identity first.
        seed: of every random draw.
        repetitions: random draws of strength and noise per image and transform.
        limit: number of images before transforms; None for all.
        threads: that make pictures; their number changes nothing of them.
    """

    view: int
    transforms: tuple[Transform, ...]
    seed: int = 0
    repetitions: int = 1
    limit: int | None = None
    threads: int = 2
