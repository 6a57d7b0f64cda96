"""The picture under the pointer: a component that listens to a chart and asks for one picture at a time.

It runs in the page, attaches itself to the Plotly chart inside the container ``st-key-chart-<key>``, and shows the
picture of the point that the pointer rests on. Pictures are asked for through a fragment, so that nothing else of the
page runs again, and kept in the browser. Clicking a point is the plain way that needs none of this.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import streamlit as st

REST_MS = 120
"""How long the pointer must rest on a point before its picture is fetched."""

_CSS = """
.probing-hover { position: fixed; inset: auto; margin: 0; pointer-events: none; padding: 4px; border-radius: 6px;
  background: var(--st-background-color); border: 1px solid var(--st-border-color, #8884);
  box-shadow: 0 2px 10px #0004; }
.probing-hover img { display: inline-block; width: 112px; height: 112px; margin: 2px; image-rendering: auto; }
"""

_JS = """
class Hover {
  constructor(root) {
    this.root = root;
    this.wanted = null; this.timer = 0; this.x = 0; this.y = 0; this.chart = null;
    this.enter = (event) => this.want(event);
    this.leave = () => { this.wanted = null; clearTimeout(this.timer); if (this.open) this.root.hidePopover(); };
    // The chart may be drawn after this component, and again later: look for it now and then.
    this.look = setInterval(() => this.attach(), 500);
  }

  get open() { return this.root.matches(':popover-open'); }

  receive(data) {
    this.data = data;
    this.attach();
    if (data.sample === null) return;
    const key = data.run + '/' + data.sample;
    kept.set(key, data.pictures);
    if (kept.size > 2000) kept.delete(kept.keys().next().value);
    if (this.wanted === key) this.show(key);
  }

  attach() {
    const found = document.querySelector('.st-key-chart-' + this.data.chart + ' .js-plotly-plot');
    if (found === this.chart || !found?.on) return;
    this.chart = found;
    found.on('plotly_hover', this.enter);
    found.on('plotly_unhover', this.leave);
  }

  want(event) {
    const sample = event.points?.[0]?.customdata;
    if (typeof sample !== 'number') return;
    const key = this.data.run + '/' + sample;
    this.wanted = key; this.x = event.event.clientX; this.y = event.event.clientY;
    clearTimeout(this.timer);
    if (kept.has(key)) this.show(key);
    else this.timer = setTimeout(() => this.ask('sample', sample), this.data.rest);
  }

  show(key) {
    this.root.replaceChildren(...kept.get(key).map(([source, text]) => {
      const picture = document.createElement('img');
      picture.src = source; picture.alt = text;
      return picture;
    }));
    this.root.style.left = Math.min(this.x + 16, window.innerWidth - 260) + 'px';
    this.root.style.top = Math.max(8, Math.min(this.y + 22, window.innerHeight - 140)) + 'px';
    if (!this.open) this.root.showPopover(); // above everything, a chart in full screen too
  }

  end() {
    clearInterval(this.look);
    this.chart?.removeListener?.('plotly_hover', this.enter);
    this.chart?.removeListener?.('plotly_unhover', this.leave);
    this.leave();
  }
}

const kept = (window.__probingPictures ??= new Map());

export default function({ data, parentElement, setTriggerValue }) {
  // Called again with every picture that arrives.
  const hover = (parentElement.__hover ??= new Hover(parentElement.querySelector('.probing-hover')));
  hover.ask = setTriggerValue;
  hover.receive(data);
  return () => { if (!parentElement.isConnected) hover.end(); };  // else a later message has taken over
}
"""

_component = st.components.v2.component(
    "probing_hover", html='<div class="probing-hover" popover="manual" aria-hidden="true"></div>', css=_CSS, js=_JS
)


@st.fragment
def pictures_on_hover(chart: str, run: str, pictures: Callable[[int], list[tuple[bytes, str]]]) -> None:
    """Shows pictures of the point under the pointer of the chart called ``chart``.

    Args:
        chart: its key; its points carry the sample as customdata.
        run: what tells the samples of this run from those of another.
        pictures: sample -> (JPEG, what it shows), from left to right.
    """
    key = f"hover-{chart}"
    asked = st.session_state.get(key, {}).get("sample")
    shown = [] if asked is None else [(_url(jpeg), text) for jpeg, text in pictures(int(asked))]
    _component(
        key=key,
        data={"chart": chart, "run": run, "rest": REST_MS, "sample": asked, "pictures": shown},
        on_sample_change=lambda: None,
        height="content",
    )


def _url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
