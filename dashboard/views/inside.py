"""Inside."""

import streamlit as st

from dashboard.page import page


@page("Inside")
def show() -> None:
    st.write("to come")


show()
