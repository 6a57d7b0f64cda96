"""What a page shows in place of something that is missing or went wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import streamlit as st

from dashboard.data import cache
from dashboard.text import plain
from probing_core.errors import ProbingError


def guarded(show: Callable[..., None]) -> Callable[..., None]:
    """``show``, with an error of ours shown where it happened, as one sentence: the rest of the page goes on."""

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
    """Says what is missing here, why, and what makes it."""
    st.info(sentence, icon=":material/info:")
