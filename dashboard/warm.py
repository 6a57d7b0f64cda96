"""What every visitor's first pages need, made once, right after the first page of a served dashboard is out."""

from __future__ import annotations

import logging
import threading

import streamlit as st

from dashboard import data, pictures
from dashboard.sheet import VIEW, contact_sheet
from dashboard.strength import preview
from probing_core.transforms import bank

PHOTOGRAPHS = "photos"


@st.cache_resource(show_spinner=False)
def start() -> threading.Thread:
    """Starts it, once for a server; whoever opens such a page meanwhile waits for the same work instead of doing it."""
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
