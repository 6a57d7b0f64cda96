"""What a hand does on a chart."""

from __future__ import annotations

from typing import Any


def listened(page: Any, chart: str, event: str) -> None:
    """Waits until the page would hear ``event`` of ``chart``: handlers are attached some time after it was drawn."""
    page.wait_for_function(
        """([chart, event]) =>
          document.querySelector(`.st-key-chart-${chart} .js-plotly-plot`)?._ev?.listenerCount(event) > 0""",
        arg=[chart, event],
    )


def lasso(page: Any, chart: str) -> None:
    """Draws a lasso around the middle of the first panel of ``chart``."""
    choose_tool(page, chart, "lasso")
    draw(page, chart)
    page.mouse.up()


def choose_tool(page: Any, chart: str, tool: str) -> None:
    """Presses the button of the chart's own menu that has ``data-val`` ``tool``."""
    page.wait_for_selector(f".st-key-chart-{chart} .nsewdrag")
    page.locator(f".st-key-chart-{chart}").scroll_into_view_if_needed()
    listened(page, chart, "plotly_selected")
    page.locator(f".st-key-chart-{chart} .nsewdrag").first.hover()
    page.locator(f'.st-key-chart-{chart} .modebar-btn[data-val="{tool}"]').first.click()


def draw(page: Any, chart: str) -> None:
    """One closed line with the pointer, a square of half the panel's sides; its button is still down at the end."""
    _draw_in(page, page.locator(f".st-key-chart-{chart} .nsewdrag").first)


def draw_on_points(page: Any, chart: str) -> None:
    """The same with the lasso of a map that draws every point (`point_map`)."""
    page.locator(f'.st-key-chart-{chart} .tools [data-val="lasso"]').click()
    field = page.locator(f".st-key-chart-{chart} .field").first
    field.scroll_into_view_if_needed()
    _draw_in(page, field)


def _draw_in(page: Any, field: Any) -> None:
    box = field.bounding_box()
    corners = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75), (0.25, 0.27)]
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=6)
