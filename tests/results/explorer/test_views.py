"""What the views of the explorer draw, in a browser."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from lab.devtools.browser import IN_BROWSER

pytestmark = IN_BROWSER

SELECT = "async (selection) => { await explorer.select(selection); return explorer.counts(); }"
NUMBERS = """() => [...document.querySelectorAll('.px-curves svg text')].map((one) => one.textContent)"""
FEW = 20
"""Number of samples below which a point of a curve shows its number."""


def test_points_of_a_curve_with_few_samples_show_their_number(page):
    def sparse(counts: dict) -> list[str]:
        return [str(n) for n in counts["curve"][0] if 0 < n < FEW]

    counts = page.evaluate(SELECT, {})
    assert not sparse(counts), "the made run has enough samples of all strengths"
    before = page.evaluate(NUMBERS)
    counts = page.evaluate(SELECT, {"what": {"rows": ["fog"], "columns": [], "by": "a"}})
    assert len(sparse(counts)) == np.count_nonzero(counts["curve"][0])
    shown = page.evaluate(NUMBERS)
    for number in set(sparse(counts)):
        assert shown.count(number) >= sparse(counts).count(number), (number, before, shown)


ARRAYS = """() => {
  const { data, models, matrix, counting } = explorer, { sum, squares, clusters } = counting.cellDifferences();
  const list = (one) => Array.from(one), k = data.classes.length;
  const marked = list(sum).map((one, cell) => matrix.isSignificant(one, squares[cell]));
  return [list(data.truth).slice(0, data.tested), list(data.crop), list(data.photographs),
    models.map((model) => list(model.predicted)), list(sum), list(squares), clusters, marked, k];
}"""


def test_cells_of_the_difference_are_tested_by_photograph(page):
    page.evaluate("window.answersAtOnce = true")  # models that are not loaded yet
    page.evaluate(SELECT, {"a": "zoo/mae", "b": "baseline/pixels", "by": "difference"})
    truth, crop, photographs, (a, b), total, squares, clusters, marked, k = page.evaluate(ARRAYS)
    table = pd.DataFrame({"truth": truth, "photograph": [photographs[crop[i]] for i in range(len(truth))]})
    parts = [
        pd.DataFrame({"cell": table["truth"] * k + predicted, "photograph": table["photograph"], "by": by})
        for predicted, by in ((np.array(a[: len(truth)]), -1), (np.array(b[: len(truth)]), 1))
    ]
    sums = pd.concat(parts).groupby(["cell", "photograph"])["by"].sum()
    expected = sums.groupby("cell").sum().reindex(range(k * k), fill_value=0)
    np.testing.assert_array_equal(total, expected)
    spread = (sums**2).groupby("cell").sum().reindex(range(k * k), fill_value=0)
    np.testing.assert_array_equal(squares, spread)
    assert clusters == table.groupby("truth")["photograph"].nunique().reindex(range(k), fill_value=0).tolist()
    p = 2 * norm.sf(np.abs(expected) / np.sqrt(np.maximum(spread, 1)))
    assert marked == (p < 0.05 / k**2).tolist()
    z = np.linspace(0, 12, 200)
    found = page.evaluate("(z) => z.map((one) => explorer.matrix.isSignificant(-10 * one, 100))", z.tolist())
    assert found == (2 * norm.sf(z) < 0.05 / k**2).tolist()
