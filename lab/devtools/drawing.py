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
    """Draws a lasso around the middle of the first map of ``chart``, as `draw` does, and lets go."""
    draw(page, chart)
    page.mouse.up()


def draw(page: Any, chart: str) -> None:
    """One closed line with the pointer, a square of half the map's sides; its button is still down at the end."""
    page.locator(f'.st-key-chart-{chart} .tools [data-val="lasso"]').click()
    field = page.locator(f".st-key-chart-{chart} .field").first
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    corners = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75), (0.25, 0.27)]
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=6)
