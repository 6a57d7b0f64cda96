"""The frame of every page: its title and what stands under it, and fragments, which rerun alone."""

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
    """Return a decorator that makes a page of a function, which shows what stands under the title.

    Navigation, sidebar and banner are outside of the page: a change on the page leaves them as they are.
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
    """Make ``show`` a fragment of a page, which reruns alone; nothing else on the page may depend on its choices."""

    @st.fragment
    @wraps(show)
    def shown(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        guarded(show)(*arguments, **named)
        if not state.is_whole_page():  # else the page writes it, as one step of the browser's back button
            state.write_address()

    return shown
