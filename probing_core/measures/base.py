"""What a measure is: a number with a unit, bounds, a direction and a definition; tables and charts read them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure as tables and charts need it.

    Attributes:
        name: as in tables, ``balanced-accuracy``.
        title: for people, ``balanced accuracy``.
        unit: ``fraction``, ``nats``, ``bits``, ...
        low, high: the bounds of its values; None where there is none.
        higher_is_better: the direction; None where neither end is better.
        definition: one sentence, shown as the hint wherever the measure stands.
        source: where the definition comes from.
        has_interval: False where a bootstrap would mislead: a sum of absolute gaps grows with the noise of every draw,
            so that the interval may not even hold the value.
    """

    name: str
    title: str
    unit: str
    low: float | None
    high: float | None
    higher_is_better: bool | None
    definition: str
    source: str
    has_interval: bool = True
