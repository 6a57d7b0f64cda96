"""Measures: pure functions on arrays, each with its unit, bounds, direction and definition.

Anyone may use them: nothing here knows of runs or models.
"""

from __future__ import annotations

from probing_core.catalog import Catalog
from probing_core.measures import classification, embedding_space, neighbors
from probing_core.measures.base import Measure, Predictions
from probing_core.measures.statistics import Interval, interval

__all__ = ["MEASURES", "Interval", "Measure", "Predictions", "interval"]

MEASURES: Catalog[Measure] = Catalog(
    "measure", (*classification.MEASURES, *embedding_space.MEASURES, *neighbors.MEASURES)
)
"""The catalog of measures. Each family lists its entries in its own file."""
