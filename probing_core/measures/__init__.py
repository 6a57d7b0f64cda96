"""Measures: pure functions on arrays, each with its unit, bounds, direction and definition.

Anyone may use them: nothing here knows of runs or models.
"""

from __future__ import annotations

from probing_core.measures.base import Measure, Predictions
from probing_core.measures.catalog import MEASURES
from probing_core.measures.intervals import Interval, interval

__all__ = ["MEASURES", "Interval", "Measure", "Predictions", "interval"]
