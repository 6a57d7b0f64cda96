"""Button that copies a link to the current view of a page."""

from __future__ import annotations

import streamlit as st

from dashboard.components.serving import source

ABOUT = "The link contains your selections but no uploaded images. It opens only where this dashboard is available."

_HTML = '<button type="button">Copy link</button>'
_CSS = (
    "button { font: inherit; font-size: 0.875rem; color: inherit; background: none; cursor: pointer; "
    "padding: 4px 12px; border: 1px solid #8886; border-radius: 8px; }"
)
_component = st.components.v2.component("probing_copy_link", html=_HTML, css=_CSS, js=source("copy_link.js"))


def copy_link() -> None:
    """Show the button, and what the link contains."""
    _component(key="copy-link")
    st.caption(ABOUT)
