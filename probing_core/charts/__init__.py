"""Draw tables as charts, without Streamlit. All charts are Plotly figures, except `layer_chart` (Vega-Lite)."""

from __future__ import annotations

from probing_core.charts.difference_chart import difference_chart
from probing_core.charts.dots import dots_chart
from probing_core.charts.evidence import evidence_chart
from probing_core.charts.figure import PERCENT, Figure, escape
from probing_core.charts.heat_map import HeatScale, heat_map
from probing_core.charts.layer_chart import layer_chart
from probing_core.charts.predictions import reliability_chart
from probing_core.charts.ranking_chart import ranking_chart
from probing_core.charts.retrieval_charts import (
    NAMED,
    rank_by_strength_chart,
    recall_by_model_chart,
    recall_by_rate_chart,
)
from probing_core.charts.scatter_chart import scatter_chart, transformation_scatter
from probing_core.charts.splits_chart import splits_chart
from probing_core.charts.strength_charts import (
    StrengthAxis,
    accuracy_by_strength_chart,
    predictions_chart,
    thresholds_chart,
)
from probing_core.charts.theme import Theme
from probing_core.charts.training import training_chart
from probing_core.charts.variance_chart import variance_chart

__all__ = [
    "NAMED",
    "PERCENT",
    "Figure",
    "HeatScale",
    "StrengthAxis",
    "Theme",
    "accuracy_by_strength_chart",
    "difference_chart",
    "dots_chart",
    "escape",
    "evidence_chart",
    "heat_map",
    "layer_chart",
    "predictions_chart",
    "rank_by_strength_chart",
    "ranking_chart",
    "recall_by_model_chart",
    "recall_by_rate_chart",
    "reliability_chart",
    "scatter_chart",
    "splits_chart",
    "thresholds_chart",
    "training_chart",
    "transformation_scatter",
    "variance_chart",
]
