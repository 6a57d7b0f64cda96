"""Entry point of the dashboard: ``streamlit run dashboard/app.py [-- --run DIR]``, where DIR is the folder of a run.

Streamlit runs this file as a script in the session of each visitor. The server also imports it once to get ``app``.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.navigation.page import StreamlitPage

try:
    from dashboard import startup, state
    from dashboard.components import explorer, strength_slider
    from dashboard.components.copy_link import copy_link
    from dashboard.components.serving import former_pages, page
    from dashboard.data import cache
    from dashboard.middleware import middleware
    from dashboard.widgets import access, banner, pickers
except ModuleNotFoundError as error:
    if error.name not in ("dashboard", "probing_core"):
        raise
    sys.exit(
        "error: The package is not installed in this Python environment. Run `make demo` or `pip install -e .` in the "
        "project folder."
    )

from dashboard.text import FORMER, PAGES, plain
from probing_core.errors import BadRun
from probing_core.measures.notation import BASELINE
from probing_core.measures.statistics import networks, with_place
from probing_core.results import Run

SIDEBAR_PX = 240
"""Width of the sidebar in pixels: wide enough for page and run names, but narrower than the default."""

ABOUT_RUN = (
    "A run contains the results of one computation: scores of encoders, their intermediate layers, untrained "
    "baselines, and additional training seeds."
)


def pages() -> dict[str, list[StreamlitPage]]:
    return {
        heading: [
            # The first page has no URL path.
            st.Page(
                entry.file,
                title=entry.title,
                icon=f":material/{entry.icon}:",
                url_path=entry.address or None,
                default=not entry.address,
            )
            for entry in under
        ]
        for heading, under in PAGES.items()
    }


def icon() -> Image.Image:
    """Draw the icon of the dashboard. The browser would fetch an emoji icon from another server."""
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    alpha = np.clip((0.8 - np.hypot(x, y)) / (0.1 + 0.5 * (x + 1)), 0, 1)
    color = np.broadcast_to([0, 114, 178], (32, 32, 3))
    return Image.fromarray(np.dstack([color, alpha * 255]).astype(np.uint8))


def main() -> None:
    # This call must be first. Otherwise, the browser fetches the icon of the selected page and shows it in the tab.
    st.set_page_config(page_icon=icon(), layout="wide", initial_sidebar_state=SIDEBAR_PX)
    selected = st.navigation(pages(), expanded=True)
    st.set_page_config(page_title=f"{selected.title} · Probing image embeddings")
    state.adopt_address(selected.title)
    with st.sidebar:
        pick_run()
        banner.show()
        access.show_status()
        copy_link()
    with startup.visitor_first():
        selected.run()
    startup.after_first_page()


def pick_run() -> None:
    """Show a menu of runs in the sidebar, and a summary of the contents of the selected run."""
    names = [place.name for place in cache.places() if place.complete]
    if not names:
        return
    selected = pickers.select("Run", state.RUN, names, help=ABOUT_RUN)
    with suppress(BadRun):
        st.caption(cache.computed(cache.current_run(), contents))
    missing = state.unmet().get(state.RUN)
    if missing and selected == missing.shown and missing.asked not in names:
        st.warning(
            f"The run '{plain(missing.asked)}' is not available on this computer or is incomplete. The run "
            f"'{plain(selected)}' is shown instead.",
            icon=":material/error:",
        )


def contents(run: Run) -> str:
    used = run.images[run.images["used"]] if len(run.images) else run.images
    names = list(run.models["name"]) if len(run.models) else []
    first = with_place(names)
    whole_networks = networks(names)
    baselines = sum(name.startswith(BASELINE) for name in whole_networks)
    counts = [
        (used["base_id"].nunique() if len(used) else 0, "photograph"),
        (len(used), "crop"),
        (run.sample_count, "sample"),
        (len(whole_networks) - baselines, "encoder"),
        (len(first) - len(whole_networks), "intermediate layer"),
        (baselines, "baseline"),
        (len(names) - len(first), "additional seed"),
    ]
    return " · ".join(f"{n:,} {noun}{'' if n == 1 else 's'}" for n, noun in counts if n)


if __name__ == "__main__":
    main()
else:
    app = st.App(
        __file__,
        lifespan=startup.before_serving,
        routes=[
            *(page(entry.address, entry.scripts) for under in PAGES.values() for entry in under),
            *former_pages(FORMER),
            *(route for module in (explorer, strength_slider) for route in module.routes()),
        ],
        middleware=middleware(),
    )
