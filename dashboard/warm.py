"""What every visitor's first pages need, made before they are asked for: on the server, and in the browser."""

from __future__ import annotations

import logging
import threading

import plotly.graph_objects as go
import streamlit as st

from dashboard import data, pictures
from dashboard.sheet import VIEW, contact_sheet
from dashboard.strength import preview
from probing_core.transforms import bank

PHOTOGRAPHS = "photos"


def charts() -> None:
    """A chart that nobody sees: the browser starts Plotly, 0.8 s of work, while its visitor looks for a picture."""
    with st.container(key="warm"):
        st.plotly_chart(go.Figure(), key="warm-chart")


@st.cache_resource(show_spinner=False)
def start() -> threading.Thread:
    """What the server keeps, made once, after its first page is out.

    Whoever opens such a page meanwhile waits for the same work instead of doing it.
    """
    thread = threading.Thread(target=_warm, name="warm", daemon=True)
    thread.start()
    return thread


def _warm() -> None:
    # Streamlit warns of every cache that is filled outside a session.
    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)
    first = data.corpus(PHOTOGRAPHS).rows["image_id"].iloc[0]
    picture = pictures.chosen(first, data.corpus_image(PHOTOGRAPHS, first))
    transform = next(t for t in bank() if t.group != "identity")
    preview(picture, picture.key, VIEW, transform, transform.name)
    contact_sheet(picture, picture.key)
