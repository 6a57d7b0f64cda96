"""What all pages have in common: a title, and what is under it; fragments, which rerun alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

from dashboard import state
from dashboard.widgets import upload
from dashboard.widgets.messages import guarded

Arguments = ParamSpec("Arguments")


def page(title: str, help: str | None = None) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Makes a page of the function that shows what is under its title.

    Navigation, sidebar and banner are outside of it: after a change on the page they stay as they are.
    """

    def decorate(show: Callable[[], None]) -> Callable[[], None]:
        @st.fragment
        def shown() -> None:
            upload.begin_page()
            st.title(title, help=help)
            with state.whole_page():
                guarded(show)()
            state.write_address()

        return shown

    return decorate


def fragment(show: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Makes a fragment of a page: nothing else on the page depends on what is chosen in it."""

    @st.fragment
    @wraps(show)
    def shown(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        guarded(show)(*arguments, **named)
        if not state.is_whole_page():  # else the page writes it, as one step of the browser's back button
            state.write_address()

    return shown
