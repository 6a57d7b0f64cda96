"""DataFrames in, Plotly figures out, without streamlit and without the rest of the project."""

from __future__ import annotations

from probing_core.charts.dots import dots_chart
from probing_core.charts.figure import PERCENT, Figure, escape
from probing_core.charts.inside import LAYER_TASKS, layers_chart, variance_chart
from probing_core.charts.predictions import reliability_chart
from probing_core.charts.scores import leaderboard_chart
from probing_core.charts.strength_charts import (
    StrengthAxis,
    accuracy_by_strength_chart,
    predictions_chart,
    thresholds_chart,
)
from probing_core.charts.theme import Theme
from probing_core.charts.training import training_chart

__all__ = [
    "LAYER_TASKS",
    "PERCENT",
    "Figure",
    "StrengthAxis",
    "Theme",
    "accuracy_by_strength_chart",
    "dots_chart",
    "escape",
    "layers_chart",
    "leaderboard_chart",
    "predictions_chart",
    "reliability_chart",
    "thresholds_chart",
    "training_chart",
    "variance_chart",
]
