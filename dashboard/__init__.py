"""Streamlit dashboard for runs of `probing_core`."""
