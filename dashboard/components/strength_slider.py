"""The strength slider with its preview, used wherever a page needs it.

The page waits for the picture at the selected strength. The browser fetches all others when it is idle, so that the
pictures follow the slider without asking the server; Python receives the strength when the slider is released.
"""

from __future__ import annotations

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
from dashboard.text import hint
from probing_core.transforms import Transform

STRENGTH = "strength"
"""Name of the choice that holds the step."""

HINTS = {
    "SSIM": hint("ssim"),
    "Mean difference": hint("difference"),
    "Perceptual distance": hint("distance"),
    "Counts as visible": hint("visible"),
}


_HTML = """
<div class="room"><div class="strength">
  <figure class="compare"><div class="stage"><img class="before" alt="before"><img class="after" alt="after">
    <div class="divider" aria-hidden="true"></div></div>
    <figcaption><label><span>before</span> <input class="split" type="range" min="0" max="100" value="50"
      aria-label="Divider between before (left) and after (right)"> <span>after</span></label></figcaption></figure>
  <div class="facts"><label class="name"></label>
    <div class="slide"><input class="amount" type="range" min="0" step="1" aria-label="Strength">
      <div class="learned" aria-hidden="true"></div></div>
    <output aria-live="polite"></output>
    <p class="invite" hidden>The picture is untouched, or as good as: move the slider to change it.</p>
    <p class="legend"></p>
    <details><summary>How much the picture differs</summary><dl></dl></details></div>
</div></div>
"""
_CSS = """
.strength { display: flex; flex-wrap: wrap; gap: 20px; color: var(--st-text-color); font-family: var(--st-font);
  font-size: 14px; padding: 4px; }
.room { container-type: inline-size; --side: 256px; }
figure { margin: 0; } figcaption { margin-top: 6px; text-align: center; }
.stage { position: relative; width: var(--side); height: var(--side); }
.stage img { width: var(--side); height: var(--side); display: block; border-radius: 4px; }
.waiting figure { opacity: .4; }
.stage .after { position: absolute; inset: 0; }
.divider { position: absolute; top: 0; bottom: 0; width: 2px; background: var(--st-primary-color); }
.split { width: 150px; vertical-align: middle; }
input[type=range] { appearance: none; height: 16px; border-radius: 8px; background: linear-gradient(to right,
  var(--st-primary-color) calc(8px + (100% - 16px) * var(--at, 0.5)),
  color-mix(in srgb, var(--st-text-color) 25%, transparent) 0) center / 100% 6px no-repeat; }
input[type=range]::-webkit-slider-thumb { appearance: none; width: 16px; height: 16px; border-radius: 50%;
  background: var(--st-primary-color); }
input[type=range]::-moz-range-thumb { border: 0; width: 16px; height: 16px; border-radius: 50%;
  background: var(--st-primary-color); }
.facts { flex: 1 1 240px; min-width: 220px; }
.facts .name { font-weight: 600; display: block; margin-bottom: 6px; }
.slide { position: relative; } .facts .amount { width: 100%; margin: 2px 0; }
.learned { position: absolute; right: 0; bottom: -3px; height: 5px; border-radius: 2px; opacity: .55;
  background: var(--st-primary-color); }
.invite { margin: -6px 0 16px; padding: 6px 10px; border-left: 3px solid var(--st-primary-color); }
.legend { margin: -8px 0 12px; font-size: 13px; opacity: .8; }
summary { cursor: pointer; margin-bottom: 8px; }
output { display: block; margin: 2px 0 12px; font-size: 16px; }
dl { display: grid; grid-template-columns: auto auto; gap: 4px 16px; margin: 0; }
dt { opacity: .75; text-decoration: underline dotted; text-underline-offset: 3px; cursor: help; }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
@container (min-width: 860px) {  /* before and after, each whole, next to the slider */
  .strength { --side: min(340px, (100cqw - 300px) / 2); }
  .stage { display: flex; gap: 20px; width: auto; }
  .stage .after { position: static; clip-path: none !important; }
  .divider, .split { display: none; }
  figcaption label { display: flex; justify-content: space-around; }
}
"""


_slider = st.components.v2.component("probing_strength", html=_HTML, css=_CSS, js=source("strength_slider.js"))


def strength_slider(picture: VisitorPicture, view: int, transform: Transform) -> Step:
    """Show the slider with its preview, and return the selected step.

    The address holds the number of the step that the visitor chose: 0 is the weakest strength that probes learn from,
    fainter ones are negative. It begins in the middle of the strengths that probes learn from.
    """
    shown = preview(picture, view, transform)
    faint = shown.first_learned
    # A new key after the visitor went back, since the component's own state would override the address.
    slider = f"{STRENGTH}-{state.visits()}"
    moved = st.session_state.get(slider, {}).get("index")
    steps = len(shown.strengths)
    first = faint + (steps - faint - 1) // 2
    stored = state.stored_choice(STRENGTH)
    index = _step_of(stored, faint, steps, first) if moved is None else _step_of(moved, 0, steps, first)
    state.check(STRENGTH, "the step of strength", range(-faint, steps - faint), index - faint)
    _slider(
        key=slider,
        data={
            "address": shown.address,
            "index": index,
            "name": f"Strength: {strength_title(transform)}",
            "labels": shown.labels,
            "first": shown.message([index]),
            "hints": HINTS,
            "begins_untouched": shown.is_untouched(0),
            "learned": faint / max(1, len(shown.strengths) - 1),
            "legend": f"Shaded: strengths that probes learn from.{' Left of it: weaker ones.' if faint else ''}",
        },
        on_index_change=lambda: None,
        height="content",
    )
    if stored or moved is not None:  # else each page begins where it is most telling
        state.publish(STRENGTH, index - faint)
    return shown.step(index)


def strength_title(transform: Transform) -> str:
    """Return what the strength of a transform is, with the unit in which it is written: ``blend (%)``."""
    unit = transform.unit
    return f"{transform.parameter} ({'%' + unit.removeprefix('share') if unit.startswith('share') else unit})"


def _step_of(wanted: Any, before: int, steps: int, first: int) -> int:
    """Return the number, from 0, of the step that a browser or an address asks for.

    Args:
        wanted: its place after the first ``before`` steps, as anything that may be a number.
        steps: number of all steps.
        first: step where ``wanted`` is no number.
    """
    try:
        return max(0, min(before + int(wanted), steps - 1))
    except (TypeError, ValueError, OverflowError):
        return first


def routes() -> list[Route]:
    async def serve(request: Request) -> Response:
        shown = in_memory.get(request.path_params["name"])
        if shown is None:
            return Response("This preview is not in memory any more.", 404)
        steps = await run_in_threadpool(shown.message, range(len(shown.strengths)))
        # It may be an upload, so it must not be stored on any disk, not even the browser's.
        return JSONResponse(steps, headers={"Cache-Control": "no-store"})

    return [route(f"{FOLDER}/{{name}}", serve)]
