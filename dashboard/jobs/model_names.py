"""Names of models that forms suggest, listed once by a background process."""

from __future__ import annotations

import threading

import streamlit as st

from dashboard.jobs import processes
from probing_core.errors import ProbingError


class ModelNames:
    """Names of models that the installed libraries know.

    Attributes:
        on_disk: models whose weights are available locally.
        published: other models, which are downloaded when they are used.
    """

    def __init__(self) -> None:
        self.on_disk: list[str] = []
        self.published: list[str] = []
        self._thread = threading.Thread(target=self._list, daemon=True)
        self._thread.start()

    def _list(self) -> None:
        try:
            suggested = processes.suggested_models()
        except (ProbingError, OSError, ValueError):
            return  # a name can still be typed
        self.on_disk, self.published = suggested["on_disk"], suggested["published"]


@st.cache_resource(show_spinner=False)
def model_names() -> ModelNames:
    return ModelNames()
