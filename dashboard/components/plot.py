"""Charts that stay where they are: a component that draws a Plotly figure, and changes it in place when it is another.

`st.plotly_chart` knows a chart by its content: with another color, the browser takes the chart down and sets up a new
one. For a map that is 0.6 to 0.7 s in a browser without graphics card, where the change alone takes 0.1 to 0.2 s, and
the reader loses the zoom and the selected tool. Plotly itself is what the package `plotly` brings, served by `routes`.
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
    tools: bool = False,
) -> None:
    """Draws ``figure``; whatever was drawn under ``key`` before becomes it.

    Args:
        figure: with a height.
        key: known to the chart's container, as CSS class ``st-key-<key>``, and the name of pictures saved from it.
        alt: what the chart shows, for screen readers.
        on_pick: what to do with the customdata of the points that were clicked or enclosed; without any, of none.
        tools: whether points can be enclosed by a box or a lasso too.
    """
    message = {"plotly": NAME, "alt": alt, "name": key, "picks": on_pick is not None, "tools": tools, "figure": figure}
    _component(
        key=key,
        data=to_json(message),  # bytes: Streamlit sends them as they are
        on_picked_change=(lambda: on_pick(st.session_state[key]["picked"])) if on_pick else (lambda: None),
    )


def routes() -> list[Route]:
    """What the server has to serve for `plot`, beside the pages."""
    # The comment has browsers compile all of it beside the page's own work, instead of bit by bit while it starts.
    return [script_route(NAME, b"//# allFunctionsCalledOnLoad\n" + get_plotlyjs().encode())]
