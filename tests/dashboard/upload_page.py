"""Page of `tests.dashboard.upload_server`."""

import streamlit as st

st.file_uploader("Your images", accept_multiple_files=True, key="images")
