"""Model names that are suggested in forms. They are listed once, in a background process."""

from __future__ import annotations

import threading

import streamlit as st
from streamlit.runtime.scriptrunner import add_script_run_ctx

from dashboard.jobs import processes
from probing_core.errors import ProbingError


class ModelNames:
    """Names of the models in the installed libraries.

    Attributes:
        on_disk: names of models whose weights are available locally.
        published: names of all other models, whose weights are downloaded on first use.
    """

    def __init__(self) -> None:
        self.on_disk: list[str] = []
        self.published: list[str] = []
        self._thread = threading.Thread(target=self._list, daemon=True)
        add_script_run_ctx(self._thread)  # the permissions of the visitor are checked in the thread
        self._thread.start()

    def _list(self) -> None:
        try:
            suggested = processes.suggested_models()
        except (ProbingError, OSError, ValueError):
            return  # visitors can still type names
        self.on_disk, self.published = suggested["on_disk"], suggested["published"]


@st.cache_resource(show_spinner=False)
def model_names() -> ModelNames:
    return ModelNames()
