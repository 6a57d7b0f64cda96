"""What all pages are: a title, and what is under it; what is changed runs again by itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

from dashboard import state
from dashboard.components import downloads
from dashboard.widgets import pickers, upload

Arguments = ParamSpec("Arguments")


def page(title: str, help: str | None = None) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Makes a page of the function that shows what is under its title.

    Navigation, sidebar and banner are no part of it: after a change on the page they stay as they are.
    """

    def decorate(show: Callable[[], None]) -> Callable[[], None]:
        @st.fragment
        def shown() -> None:
            upload.begin_page()
            downloads.begin_page()
            st.title(title, help=help)
            st.session_state[state.WHOLE] = True
            try:
                pickers.guarded(show)()
            finally:
                st.session_state[state.WHOLE] = False
            state.write_address()

        return shown

    return decorate


def part(show: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Makes a part of a page of a function: nothing else on the page depends on what is chosen in it."""

    @st.fragment
    @wraps(show)
    def shown(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        pickers.guarded(show)(*arguments, **named)
        if not st.session_state.get(state.WHOLE):  # else the page writes it, as one step of the browser's back button
            state.write_address()

    return shown
