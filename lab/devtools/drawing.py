"""Draw a lasso on the explorer in a browser."""

from __future__ import annotations

from typing import Any

CORNERS = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.25)]
"""Corners of a lasso, as fractions of the width and height of the map."""


def lasso(page: Any, slot: str, release: bool = True) -> None:
    """Draw a lasso around the middle of the map ``slot`` ("a" or "b") with the pointer."""
    plane = page.locator(f".px-map-{slot} .px-plane")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in CORNERS]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place, steps=4)
    if release:
        page.mouse.up()
