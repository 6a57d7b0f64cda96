"""Links from one page to a selection on another page."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from dashboard import state

TRANSFORM = "transform"
"""Name of the selected transformation in the session state and the URL."""


def transformation_address(name: str) -> str:
    """Return the URL of a transformation on the Transformations page, relative to the dashboard.

    Examples:
        >>> transformation_address("gaussian-blur")
        'transformations?transform=gaussian-blur'
    """
    return f"transformations?{urlencode({TRANSFORM: name})}"


def open_transformation(name: str) -> None:
    """Open a transformation on the Transformations page. Streamlit ignores calls from widget callbacks."""
    state.choose(TRANSFORM, name)
    st.switch_page("views/transformations.py")
