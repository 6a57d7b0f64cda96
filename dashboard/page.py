"""The frame of every page, and fragments, which rerun separately."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec

import streamlit as st

from dashboard import state
from dashboard.text import QUESTIONS, plain
from dashboard.widgets import upload
from dashboard.widgets.messages import guarded

Arguments = ParamSpec("Arguments")

_is_whole: ContextVar[bool] = ContextVar("is_whole", default=False)
"""True while the full page is rendered, false while only a fragment is rendered."""


def page(title: str, help: str | None = None) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Return a decorator that turns a function into a page; the function shows the content below the title.

    Navigation, sidebar and banner are outside the page and stay unchanged when something on it changes.
    """

    def decorate(show: Callable[[], None]) -> Callable[[], None]:
        @st.fragment
        def shown() -> None:
            if state.begin_page(title):
                upload.drop_decoded()
            st.title(QUESTIONS.get(title, title), help=help)
            unmet = st.empty()
            token = _is_whole.set(True)
            try:
                guarded(show)()
            finally:
                _is_whole.reset(token)
            if missing := [choice for name, choice in state.unmet().items() if name != state.RUN]:
                unmet.warning(" ".join(map(in_words, missing)), icon=":material/link_off:")
            state.write_address()

        return shown

    return decorate


def in_words(unmet: state.Unmet) -> str:
    replacement = f" The page opened with '{plain(unmet.shown)}'." if unmet.shown else ""
    return f"The link requests {plain(unmet.label)} '{plain(unmet.asked)}', which is not available here.{replacement}"


def fragment(show: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Make ``show`` a fragment, which reruns separately; nothing else on the page may depend on its selections."""

    @st.fragment
    @wraps(show)
    def shown(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        guarded(show)(*arguments, **named)
        if not _is_whole.get():  # otherwise the page writes it, as one step of the browser's back button
            state.write_address()

    return shown
