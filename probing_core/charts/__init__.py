"""DataFrames in, Plotly figures out, without streamlit and without the rest of the project."""

from __future__ import annotations

from probing_core.charts.confusion import confusion_chart
from probing_core.charts.dots import dots_chart
from probing_core.charts.figure import PERCENT, Figure, escape, to_json
from probing_core.charts.inside import LAYER_TASKS, layers_chart, members_chart, shift_chart, variance_chart
from probing_core.charts.predictions import StrengthAxis, reliability_chart, strength_chart
from probing_core.charts.scores import leaderboard_chart, substance_chart
from probing_core.charts.theme import Theme
from probing_core.charts.training import training_chart

__all__ = [
    "LAYER_TASKS",
    "PERCENT",
    "Figure",
    "StrengthAxis",
    "Theme",
    "confusion_chart",
    "dots_chart",
    "escape",
    "layers_chart",
    "leaderboard_chart",
    "members_chart",
    "reliability_chart",
    "shift_chart",
    "strength_chart",
    "substance_chart",
    "to_json",
    "training_chart",
    "variance_chart",
]
