"""Messages in place of content that is missing or failed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import streamlit as st

from dashboard.data import cache
from dashboard.text import plain
from probing_core.errors import ProbingError


def guarded(show: Callable[..., None]) -> Callable[..., None]:
    """Return ``show`` with our errors shown where they happened, as one sentence; the rest of the page continues."""

    @wraps(show)
    def shown(*arguments: Any, **named: Any) -> None:
        try:
            show(*arguments, **named)
        except cache.NoRun as error:
            empty(str(error))
        except ProbingError as error:
            st.error(plain(str(error)), icon=":material/error:")

    return shown


def empty(sentence: str) -> None:
    """Show what is missing here, why, and how to make it."""
    st.info(sentence, icon=":material/info:")
