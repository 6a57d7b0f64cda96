"""Measures: pure functions on arrays, each with a unit, bounds, a direction and a definition.

The functions do not depend on runs or models.
"""

from __future__ import annotations

from probing_core.catalog import Catalog
from probing_core.measures import classification, embedding_space, neighbors
from probing_core.measures.measure import Measure, Predictions
from probing_core.measures.statistics import Interval, interval

__all__ = ["MEASURES", "Interval", "Measure", "Predictions", "interval"]

MEASURES: Catalog[Measure] = Catalog(
    "measure", (*classification.MEASURES, *embedding_space.MEASURES, *neighbors.MEASURES)
)
"""Catalog of measures. Each module of this package defines its own catalog entries."""
