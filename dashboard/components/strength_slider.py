"""Streamlit component with the strength slider and its preview, used by several pages.

The page contains the image at the selected strength. Shortly afterwards, the browser fetches the images at all other
strengths, so that the preview follows the slider without requests to the server. The script receives the selected
strength when the slider is released.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dashboard import state
from dashboard.components.serving import route, source
from dashboard.data.pictures import VisitorPicture
from dashboard.data.previews import FOLDER, Step, in_memory, preview
from dashboard.text import hint, strength_number
from probing_core.transforms import Transform

STRENGTH = "strength"
"""Name of the selected step in the session state and the URL."""

HINTS = {
    "SSIM": hint("ssim"),
    "Mean difference": hint("difference"),
    "Perceptual distance": hint("distance"),
    "Counts as visible": hint("visible"),
}


ZOOM = 4
"""Magnification of the lenses. Each lens shows a square region with 1 / `ZOOM` of the side length of the image."""

TICKS = 5
"""Maximum number of tick labels below the slider."""

_HTML = """
<div class="room"><div class="strength">
  <div class="facts">
    <div class="reading"><label class="name"></label> <output aria-live="polite"></output></div>
    <div class="slide"><input class="amount" type="range" min="0" step="1" aria-label="Strength">
      <div class="trained" aria-hidden="true"></div><div class="mark" aria-hidden="true" hidden></div></div>
    <div class="ticks" aria-hidden="true"></div>
    <p class="legend"></p><p class="mark-text" hidden></p>
  </div>
  <div class="views" role="group" tabindex="0"
    aria-label="Original and transformed image; arrow keys move the magnified region">
    <figure><div class="view"><img class="original" alt="original"><div class="region"></div></div>
      <figcaption>original</figcaption></figure>
    <figure><div class="view"><img class="transformed" alt="transformed"><div class="region"></div></div>
      <figcaption>transformed</figcaption></figure>
    <figure><div class="lens"><img class="original" alt="magnified region of the original"></div>
      <figcaption>original, <span class="zoom"></span></figcaption></figure>
    <figure><div class="lens"><img class="transformed" alt="magnified region of the transformed image"></div>
      <figcaption>transformed, <span class="zoom"></span></figcaption></figure>
  </div>
  <details><summary>Difference from the original</summary><dl></dl></details>
</div></div>
"""
_CSS = """
.room { container-type: inline-size; }
.strength { color: var(--st-text-color); font-family: var(--st-font); font-size: 14px; padding: 4px; }
.reading { display: flex; flex-wrap: wrap; gap: 2px 12px; align-items: baseline; }
.name { font-weight: 600; }
output { font-size: 16px; }
.slide { position: relative; } .amount { width: 100%; margin: 2px 0; }
input[type=range] { appearance: none; height: 16px; border-radius: 8px; background: linear-gradient(to right,
  var(--st-primary-color) calc(8px + (100% - 16px) * var(--at, 0.5)),
  color-mix(in srgb, var(--st-text-color) 25%, transparent) 0) center / 100% 6px no-repeat; }
input[type=range]::-webkit-slider-thumb { appearance: none; width: 16px; height: 16px; border-radius: 50%;
  background: var(--st-primary-color); }
input[type=range]::-moz-range-thumb { border: 0; width: 16px; height: 16px; border-radius: 50%;
  background: var(--st-primary-color); }
.trained { position: absolute; right: 0; bottom: -3px; height: 5px; border-radius: 2px; opacity: .55;
  background: var(--st-primary-color); }
.mark { position: absolute; bottom: -14px; margin-left: -6px; border: 6px solid transparent; border-top-width: 0;
  border-bottom: 9px solid var(--st-text-color); }
.legend, .mark-text { margin: 2px 0 0; font-size: 13px; line-height: 20px; opacity: .8; }
/* Text that arrives later must not shift the layout. */
.legend { min-height: 20px; } .reading { min-height: 26px; }
.ticks { position: relative; height: 18px; margin-top: 14px; font-size: 12px; }
.ticks span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.ticks span:first-child { transform: translateX(-8px); }
.ticks span:last-child { transform: translateX(calc(-100% + 8px)); }
.views { display: grid; grid-template-columns: repeat(2, minmax(0, 340px)); gap: 8px 12px; margin: 10px 0; }
.waiting .views { opacity: .4; }
figure { margin: 0; }
figcaption { margin-top: 2px; text-align: center; font-size: 13px; }
.view, .lens { position: relative; aspect-ratio: 1; overflow: hidden; border-radius: 4px; }
.view { cursor: crosshair; }
img { display: block; width: 100%; height: 100%; }
.lens img { position: absolute; max-width: none; image-rendering: pixelated; }
.region { position: absolute; box-sizing: border-box; pointer-events: none; border: 1px solid #fff;
  outline: 1px solid #000; }
summary { cursor: pointer; margin-bottom: 8px; }
dl { display: grid; grid-template-columns: auto auto; gap: 4px 16px; margin: 0; justify-content: start; }
dt { opacity: .8; text-decoration: underline dotted; text-underline-offset: 3px; cursor: help; }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
@container (min-width: 860px) { .views { grid-template-columns: repeat(4, minmax(0, 1fr)); } }
"""


_slider = st.components.v2.component("probing_strength", html=_HTML, css=_CSS, js=source("strength_slider.js"))


@dataclass(frozen=True)
class Mark:
    """A marked strength on the slider, with its label."""

    strength: float
    text: str


def strength_slider(picture: VisitorPicture, view: int, transform: Transform, mark: Mark | None = None) -> Step:
    """Show the slider with its preview, and return the selected step.

    The URL contains the index of the selected step, relative to the weakest strength in training. Weaker strengths have
    negative indices. The slider starts in the middle of the training range.

    Args:
        picture: image to transform.
        view: view size in pixels.
        transform: transformation to apply.
        mark: strength to mark on the slider.
    """
    previewed = preview(picture, view, transform)
    weaker = previewed.first_trained
    # The key changes if the visitor navigates back or forward, because the component's state would override the URL.
    slider = f"{STRENGTH}-{state.visits()}"
    moved = st.session_state.get(slider, {}).get("index")
    steps = len(previewed.strengths)
    first = weaker + (steps - weaker - 1) // 2
    stored = state.stored_choice(STRENGTH)
    index = _step_of(stored, weaker, steps, first) if moved is None else _step_of(moved, 0, steps, first)
    state.check(STRENGTH, "the strength step", range(-weaker, steps - weaker), index - weaker)
    _slider(
        key=slider,
        data={
            "address": previewed.address,
            "index": index,
            "name": f"Strength: {strength_title(transform)}",
            "labels": previewed.labels,
            "ticks": [
                {"at": step / max(1, steps - 1), "text": strength_number(transform.name, previewed.strengths[step])}
                for step in tick_steps(steps)
            ],
            "first": previewed.message([index]),
            "hints": HINTS,
            "trained": weaker / max(1, len(previewed.strengths) - 1),
            "legend": "The blue line marks the training range"
            + ("; strengths to its left are weaker." if weaker else "."),
            "mark": mark and {"at": previewed.position_of(mark.strength), "text": mark.text},
            "zoom": ZOOM,
            "focus": previewed.step(index).focus(1 / ZOOM),
        },
        on_index_change=lambda: None,
        height="content",
    )
    if stored or moved is not None:  # otherwise, each page starts with its default step
        state.publish(STRENGTH, index - weaker)
    return previewed.step(index)


def tick_steps(steps: int) -> list[int]:
    """Return up to `TICKS` evenly spaced steps of a slider, including both ends."""
    return sorted({round(at * (steps - 1) / (TICKS - 1)) for at in range(TICKS)})


def strength_title(transform: Transform) -> str:
    """Format the parameter of a transformation with its unit: ``blend (%)``."""
    unit = transform.unit
    if unit == "times":
        return transform.parameter
    title = "%" + unit.removeprefix("fraction") if unit.startswith("fraction") else unit.replace(" a ", " per ")
    return f"{transform.parameter} ({title})"


def _step_of(requested: Any, before: int, steps: int, first: int) -> int:
    """Return the index of the step that the browser or the URL requests, clipped to the valid range.

    Args:
        requested: requested index, relative to the step ``before``. It may have any type.
        before: index of the step to which ``requested`` is relative.
        steps: number of steps.
        first: index to return if ``requested`` is not a number.
    """
    try:
        return max(0, min(before + int(requested), steps - 1))
    except (TypeError, ValueError, OverflowError):
        return first


def routes() -> list[Route]:
    async def serve(request: Request) -> Response:
        requested = in_memory.get(request.path_params["name"])
        if requested is None:
            return Response("This preview is no longer in memory. Reload the page.", 404)
        steps = await run_in_threadpool(requested.message, range(len(requested.strengths)))
        # The image may be an upload, so it must not be stored on any disk, including the disk of the browser.
        return JSONResponse(steps, headers={"Cache-Control": "no-store"})

    return [route(f"{FOLDER}/{{name}}", serve)]
