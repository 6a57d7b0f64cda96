"""In which order charts are drawn, and how often, over the reference run: what is in sight first, and once."""

from __future__ import annotations

import pytest

from lab.devtools.browser import IN_BROWSER, settle

pytestmark = IN_BROWSER

SHOWN = "[...document.querySelectorAll('.probing-plot')].filter((plot) => plot.clientWidth)"
DRAWN = f"{SHOWN}.length && {SHOWN}.every((plot) => plot.querySelector('.main-svg'))"
MARGINS = """
  [...document.querySelectorAll('.probing-plot .js-plotly-plot')].map((drawing) => {
    const given = drawing.layout.margin;
    const taken = drawing._fullLayout._size;
    const pushed = Object.values(drawing._fullLayout._pushmargin);
    return [drawing.closest('[class*=st-key-chart-]').className.match(/st-key-chart-([a-z0-9-]+)/)[1],
      [taken.l - given.l, taken.r - given.r, taken.t - given.t, taken.b - given.b],
      given.l - Math.max(...pushed.map((push) => push.l?.size ?? 0))];
  })
"""


@pytest.fixture
def page(tab):
    with tab.visitor() as (page, complaints):
        yield page
        assert complaints == []


def test_what_is_out_of_sight_is_drawn_when_the_page_is_at_rest(server, page):
    page.goto(f"{server}/generalization?run=reference")
    page.wait_for_function("document.querySelector('.probing-plot .main-svg')")
    place = "document.querySelector('.probing-plot:has(.main-svg)').getBoundingClientRect()"
    assert page.evaluate(f"{place}.top < window.innerHeight")
    page.wait_for_function(f"{SHOWN}.length > 3 && {DRAWN}")


@pytest.mark.parametrize(
    "view",
    [
        "?run=reference",
        "map?color=strength",  # Plotly draws no map as large as the reference's
        "explore?run=reference",
        "confusion?run=reference",
        "geometry?whose=all&run=reference",
    ],
)
def test_labels_have_the_room_that_was_estimated(server, page, view):
    """Else Plotly draws the chart twice; and none has much more."""
    page.goto(f"{server}/{view}")
    page.get_by_role("heading", level=1).first.wait_for()
    settle(page)
    page.wait_for_function(DRAWN)
    for name, lacking, spare in page.evaluate(MARGINS):
        assert max(lacking) < 1, f"{name}: {lacking}"
        assert spare < 48, f"{name}: {spare} px"


def test_panels_on_a_phone_leave_room_for_an_axis_and_a_title(server, page):
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{server}/layers?run=reference")
    page.locator(".st-key-chart-layers").scroll_into_view_if_needed()
    page.locator(".st-key-chart-layers .main-svg").first.wait_for()
    between = page.evaluate(
        """
        [...document.querySelectorAll('.probing-plot .js-plotly-plot')].filter((d) => d.layout.yaxis2).map((d) =>
          (d.layout.yaxis.domain[0] - d.layout.yaxis2.domain[1]) * d._fullLayout._size.h)
        """
    )
    assert len(between) == 1
    assert 45 < between[0] < 75
