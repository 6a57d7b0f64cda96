"""Display of a visitor's rights: in the sidebar, and in place of what needs rights that they lack."""

from __future__ import annotations

import streamlit as st
from streamlit.errors import StreamlitAuthError

from dashboard import rights
from dashboard.text import plain


def show_status() -> None:
    """Show in the sidebar what this visitor may do and why; on the machine itself, show nothing."""
    if rights.on_this_machine():
        return
    with st.sidebar:
        who = plain(rights.account())
        if rights.is_signed_in():
            st.caption(f":material/lock_open: You are signed in as {who}: everything is open to you.")
        elif not rights.allowed():
            signed = f"You are signed in as {who}. " if who else ""
            st.caption(f":material/lock: {signed}You may look and drop pictures in; runs and scans are locked.")
        if who:
            st.button("Sign out", on_click=st.logout, type="tertiary", icon=":material/logout:")


def ask(what: rights.Guarded) -> bool:
    """Return whether the visitor has rights; if not, show that ``what`` needs them, and ask to sign in."""
    if rights.allowed():
        return True
    st.info(rights.refusal(what), icon=":material/lock:")
    if rights.can_sign_in():
        if problem := rights.sign_in_problem():
            st.error(plain(problem), icon=":material/error:")
        else:
            st.button("Sign in", on_click=_sign_in, icon=":material/login:")
    return False


def _sign_in() -> None:
    """Send the browser to the provider, which asks for the account again."""
    try:
        st.login()
    except StreamlitAuthError as error:
        st.error(f"Nobody can sign in on this server as it is set up. {plain(str(error))}", icon=":material/error:")
