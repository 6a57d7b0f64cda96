"""Explore."""

import streamlit as st

from dashboard.page import page


@page("Explore")
def show() -> None:
    st.write("to come")


show()
