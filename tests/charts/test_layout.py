"""Labels of charts in a browser: with few rows, where the legend needs as much space as the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly
import pytest
from plotly.utils import PlotlyJSONEncoder

from lab.devtools.browser import IN_BROWSER
from probing_core.charts import Theme, difference_chart, dots_chart, ranking_chart

pytestmark = IN_BROWSER

MODELS = ["baseline/handcrafted", "zoo/clip", "zoo/mae", "baseline/pixels"]
SCRIPT = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
DRAW = "([data, layout, width]) => Plotly.newPlot('chart', data, {...layout, width})"
LABELS = ".ytick text, .xtick text, .legendtext, .annotation-text"
BOXES = """(labels) => [...document.querySelectorAll(labels)].map((one) => {
  const {left, top, right, bottom} = one.getBoundingClientRect();
  return [one.textContent, left, top, right, bottom];
})"""


def rows_of(count: int) -> pd.DataFrame:
    value = np.linspace(0.6, 0.4, count)
    return pd.DataFrame(
        {"model": MODELS[:count], "seed_of": "", "value": value, "low": value - 0.1, "high": value + 0.1}
    ).assign(chance=0.032, p=[np.nan, *[0.3] * (count - 1)], apart=False, note="")


def figure_of(kind: str, count: int) -> dict[str, Any]:
    rows = rows_of(count).assign(name=MODELS[:count], difference=np.linspace(0.1, -0.1, count))
    if kind == "ranking":
        return ranking_chart(rows, Theme(), "balanced accuracy (%)")
    if kind == "difference":
        rows = rows.assign(low=rows["difference"] - 0.1, high=rows["difference"] + 0.1, p=np.linspace(0, 0.3, count))
        return difference_chart(rows, Theme(), "recall of A minus recall of B", ("A", "B"), ("#000000", "#777777"))
    both = pd.concat([rows.assign(series="seen in training"), rows.assign(series="unseen", value=0.2)])
    return dots_chart(both, Theme(), "group recall (%)", marks={"chance": 0.1}, has_values=True)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["ranking", "difference", "dots"])
def test_labels_of_few_rows_do_not_overlap_and_stay_inside(kind, count, tab):
    figure = json.loads(json.dumps(figure_of(kind, count), cls=PlotlyJSONEncoder))
    with tab.visitor() as (page, _):
        page.set_content("<div id=chart></div>")
        page.add_script_tag(path=SCRIPT)
        for width in (350, 640):
            page.evaluate(DRAW, [figure["data"], figure["layout"], width])
            texts, *edges = zip(*page.evaluate(BOXES, LABELS), strict=True)
            left, top, right, bottom = (np.array(edge) for edge in edges)
            assert right.max() <= 8 + width, texts[right.argmax()]
            over = (
                (left[:, None] < right)
                & (left < right[:, None])
                & (top[:, None] + 3 < bottom)
                & (top + 3 < bottom[:, None])
            )
            pairs = [(texts[i], texts[j]) for i, j in np.argwhere(np.triu(over, 1))]
            assert not pairs, (width, pairs)
