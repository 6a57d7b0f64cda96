"""Charts that stay in place: a component that draws a Plotly figure and updates it in place when it changes.

`st.plotly_chart` identifies a chart by its content: when a color changes, the browser removes the chart and sets up a
new one, which takes several times as long as the update, and the visitor loses the zoom and the selected tool. The
script of Plotly comes from the package `plotly` and is served by `routes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from plotly.offline import get_plotlyjs, get_plotlyjs_version
from starlette.routing import Route

from dashboard.components.serving import script_route, source
from probing_core.charts import Figure, to_json

NAME = f"plotly-{get_plotlyjs_version()}.min.js"

_CSS = """
.probing-plot { width: 100%; overflow: hidden; position: relative; }
.probing-plot [role=status] { position: absolute; top: 36px; right: 8px; margin: 0; padding: 8px 12px; max-width: 80%;
  border-radius: 6px; color: var(--st-background-color); background: var(--st-text-color); }
.probing-plot:fullscreen { background: var(--st-background-color); }
"""

_component = st.components.v2.component(
    "probing_plot",
    html='<div class="probing-plot stPlotlyChart" data-testid="stPlotlyChart" role="figure"></div>',
    css=_CSS,
    js=source("margins.js", "narrow.js", "picture.js", "plot.js"),  # together they are a module
    isolate_styles=False,
)


def plot(
    figure: Figure,
    key: str,
    alt: str,
    on_pick: Callable[[list[Any]], None] | None = None,
) -> None:
    """Draw ``figure`` in place of what was drawn under ``key`` before.

    Args:
        figure: figure with a height.
        key: name of the chart's container, with the CSS class ``st-key-<key>``, and of pictures saved from it.
        alt: what the chart shows, for screen readers.
        on_pick: called with the customdata of the point that was clicked, in a list.
    """
    message = {"plotly": NAME, "alt": alt, "name": key, "picks": on_pick is not None, "figure": figure}
    _component(
        key=key,
        data=to_json(message),  # bytes: Streamlit sends them as they are
        on_picked_change=(lambda: on_pick(st.session_state[key]["picked"])) if on_pick else (lambda: None),
    )


def routes() -> list[Route]:
    """Return the routes that serve the scripts of `plot`."""
    # The comment makes browsers compile the whole script in the background instead of in parts while it starts.
    return [script_route(NAME, b"//# allFunctionsCalledOnLoad\n" + get_plotlyjs().encode())]
