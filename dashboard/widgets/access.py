"""Display of the visitor's permissions, in the sidebar and in place of actions that are not allowed."""

from __future__ import annotations

import streamlit as st

from dashboard import rights


def show_status() -> None:
    """Show the permissions of a visitor in the sidebar, or nothing if the visitor has all permissions."""
    if not rights.allowed():
        st.sidebar.caption(":material/lock: You can view results and upload images, but not start runs or scans.")


def ask(what: rights.Guarded) -> bool:
    """Return whether the visitor may perform the action ``what``. If not, show a message."""
    allowed = rights.allowed()
    if not allowed:
        st.info(rights.refusal(what), icon=":material/lock:")
    return allowed
