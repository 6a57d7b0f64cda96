"""A chart of many lines in the browser: which one stands out under the pointer."""

from __future__ import annotations

import re

from lab.devtools.browser import IN_BROWSER, settle

pytestmark = IN_BROWSER

MIDDLE = """([key, name]) => {
  const plot = document.querySelector(`.st-key-${key} .js-plotly-plot`);
  const trace = plot._fullData.find((each) => each.name === name);
  const ends = [...plot.querySelectorAll(`.trace${trace.uid} .points path`)].slice(-2)
    .map((point) => point.getBoundingClientRect());
  const middle = (side, size) => ends.reduce((sum, box) => sum + box[side] + box[size] / 2, 0) / 2;
  return [middle('x', 'width'), middle('y', 'height')];
}"""
"""Halfway between the last two points of a line: on the line, and far from both."""

IN_FULL = """([key]) => {
  const plot = document.querySelector(`.st-key-${key} .js-plotly-plot`);
  const shown = (trace) => getComputedStyle(plot.querySelector(`.scatterlayer .trace${trace.uid}`)).opacity;
  return plot._fullData.filter((trace) => shown(trace) === '1').map((trace) => trace.name);
}"""


def test_a_line_stands_out_with_its_name_while_the_pointer_is_on_it(server, tab):
    """Between its points, of which alone Plotly tells."""
    name = "baseline/pixels"
    with tab.visitor() as (page, complaints):
        page.goto(f"{server}/geometry?run=reference&whose=all")
        chart = page.locator(".st-key-dimension")
        chart.locator(".main-svg").first.wait_for()
        chart.scroll_into_view_if_needed()
        settle(page)
        before = page.evaluate(IN_FULL, ["dimension"])
        assert len(before) == 2
        assert name not in before
        page.mouse.move(*page.evaluate(MIDDLE, ["dimension", name]))
        chart.locator(".of-line").get_by_text(name, exact=True).wait_for()
        assert page.evaluate(IN_FULL, ["dimension"]) == [name]
        assert chart.locator(".hovertext").count() == 0
        chart.locator(".legend .traces").filter(has_text=re.compile("^zoo/can$")).hover(force=True)
        page.wait_for_function(f"([key]) => ({IN_FULL})([key]).join() === 'zoo/can'", arg=["dimension"])
        assert chart.locator(".of-line").count() == 0, "the name is under the pointer itself"
        page.mouse.move(2, 2)
        page.wait_for_function(f"([key]) => ({IN_FULL})([key]).length === 2", arg=["dimension"])
        assert page.evaluate(IN_FULL, ["dimension"]) == before
        assert complaints == []
