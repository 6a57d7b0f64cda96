"""Explore: the linked maps, matrix and pictures of two models; and under them strength, and two classes compared."""

from __future__ import annotations

import streamlit as st

from dashboard.components.explorer import explorer
from dashboard.data import cache
from dashboard.page import page
from dashboard.views import two_classes, weak_to_strong
from dashboard.widgets import messages, pickers

PARTS = {"strength": "Weak to strong", "two": "Two classes"}


@page("Explore", "What two models take pictures for, and where these lie: what is chosen in one view lights up in all.")
def show() -> None:
    run = cache.current_run()
    if run.models.empty:
        messages.empty("No model has been embedded in this run yet; `probing run --out DIR` goes on with it.")
        return
    st.caption(
        "Each dot is a photograph that was altered; near each other is what the model takes for alike. Draw a line "
        "around some, click a class, a cell or a picture."
    )
    explorer(run)
    part, place = pickers.tab(PARTS)
    with place:
        {"strength": weak_to_strong.show, "two": two_classes.show}[part](run)


show()
