"""Display of a visitor's rights: in the sidebar, and in place of what needs rights that they lack."""

from __future__ import annotations

import streamlit as st

from dashboard import rights


def show_status() -> None:
    """Show in the sidebar what a visitor from elsewhere may do; on the machine itself, show nothing."""
    if not rights.allowed():
        st.sidebar.caption(":material/lock: You may look and drop pictures in; runs and scans are locked.")


def ask(what: rights.Guarded) -> bool:
    """Return whether the visitor has rights; if not, show that ``what`` needs them."""
    allowed = rights.allowed()
    if not allowed:
        st.info(rights.refusal(what), icon=":material/lock:")
    return allowed
