"""What the views of the explorer draw, in a browser."""

from __future__ import annotations

import numpy as np

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
