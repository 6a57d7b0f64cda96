"""What visitors without rights see: what they may do, and where they enter the password or sign in."""

from __future__ import annotations

import streamlit as st
from streamlit.errors import StreamlitAuthError

from dashboard import rights
from dashboard.text import plain


def show_status() -> None:
    """In the sidebar: what this visitor may do, and how they came to it. Nothing on the machine itself."""
    if rights.on_this_machine():
        return
    with st.sidebar:
        who = plain(rights.account())
        if rights.is_signed_in():
            st.caption(f":material/lock_open: You are signed in as {who}: everything is open to you.")
        elif rights.has_password():
            st.caption(":material/lock_open: The password is entered: everything is open in this tab.")
            st.button("Lock", on_click=rights.lock, type="tertiary", icon=":material/lock:")
        elif not rights.allowed():
            signed = f"You are signed in as {who}. " if who else ""
            st.caption(f":material/lock: {signed}You may look and drop pictures in; runs and scans are locked.")
        if who:
            st.button("Sign out", on_click=st.logout, type="tertiary", icon=":material/logout:")


def ask(what: str) -> bool:
    """Whether the visitor has rights; if not, shows what needs them, and asks for the password or to sign in.

    Args:
        what: as for `rights.require`.
    """
    if rights.allowed():
        return True
    st.info(rights.refusal(what), icon=":material/lock:")
    ways = rights.ways()
    if ways.password:
        with st.form("unlock", clear_on_submit=True, width=420):
            password = st.text_input("Password", type="password", autocomplete="current-password")
            if st.form_submit_button("Unlock", icon=":material/lock_open:"):
                if not (problem := rights.unlock(password)):
                    st.rerun()
                st.error(problem, icon=":material/error:")
    if ways.sign_in and (problem := rights.sign_in_problem()):
        st.error(plain(problem), icon=":material/error:")
    elif ways.sign_in:
        st.button("Sign in", on_click=_sign_in, icon=":material/login:")
    return False


def _sign_in() -> None:
    """Sends the browser to the provider, which asks for the account anew."""
    try:
        st.login()
    except StreamlitAuthError as error:
        st.error(f"Nobody can sign in on this server as it is set up. {plain(str(error))}", icon=":material/error:")
