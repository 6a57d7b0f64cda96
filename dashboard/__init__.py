"""The dashboard: pages over the runs of `probing_core`, in Streamlit."""
