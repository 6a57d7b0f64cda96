"""Slider that compares two images of the same size."""

from __future__ import annotations

import streamlit as st

from dashboard.components.serving import source

_HTML = """
<div class="compare">
  <div class="stage"><img class="after" alt="after"><img class="before" alt="before"><div class="line"></div>
    <span class="label left">before</span><span class="label right">after</span></div>
  <input class="divider" type="range" min="0" max="100" value="50" step="0.5">
</div>
"""
_CSS = """
.compare { font-family: var(--st-font); font-size: 13px; padding: 2px; max-width: 560px; }
.stage { --at: 50%; position: relative; overflow: hidden; border-radius: 4px; touch-action: pan-y; cursor: ew-resize;
  user-select: none; }
img { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
img.before { clip-path: inset(0 calc(100% - var(--at)) 0 0); }
.line { position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px; margin-left: -1px; background: #fff;
  outline: 1px solid #000; }
.label { position: absolute; bottom: 6px; padding: 0 6px; border-radius: 4px; background: #000a; color: #fff; }
.left { left: 6px; } .right { right: 6px; }
.divider { width: 100%; margin: 6px 0 0; accent-color: var(--st-primary-color); }
"""

_slider = st.components.v2.component("probing_compare", html=_HTML, css=_CSS, js=source("compare_slider.js"))


def compare_slider(before: str, after: str, ratio: float, key: str) -> None:
    """Show two images on top of each other, divided by a line that visitors move.

    Args:
        before, after: data URLs of images of the same size.
        ratio: width divided by height.
        key: key of the component.
    """
    label = "Position of the dividing line between the images before and after"
    data = {"before": before, "after": after, "ratio": ratio, "label": label}
    _slider(key=key, data=data, height="content")
