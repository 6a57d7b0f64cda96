"""Display of a visitor's rights, in the sidebar and in place of actions that are not allowed."""

from __future__ import annotations

import streamlit as st

from dashboard import rights


def show_status() -> None:
    """Show the rights of a remote visitor in the sidebar; show nothing to local visitors."""
    if not rights.allowed():
        st.sidebar.caption(":material/lock: You can view results and upload images. Runs and scans are locked.")


def ask(what: rights.Guarded) -> bool:
    """Return whether the visitor has rights; if not, show that ``what`` requires them."""
    allowed = rights.allowed()
    if not allowed:
        st.info(rights.refusal(what), icon=":material/lock:")
    return allowed
