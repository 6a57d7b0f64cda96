"""Decorators for pages and page fragments."""

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
"""True while the full page is rendered, False while only a fragment is rendered."""


def page(title: str, help: str | None = None) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Return a decorator that turns a function into a page.

    The function shows the content below the title. The navigation and the sidebar are not part of the page, so they are
    not rendered again when a selection on the page changes.

    Args:
        title: title of the page in the navigation.
        help: help text of the heading.
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
    replacement = f" The page shows '{plain(unmet.shown)}' instead." if unmet.shown else ""
    return f"The link contains an unavailable value for {plain(unmet.label)}: '{plain(unmet.asked)}'.{replacement}"


def fragment(show: Callable[Arguments, None], every_s: float | None = None) -> Callable[Arguments, None]:
    """Wrap ``show`` as a fragment, so that it reruns independently of the rest of the page.

    The rest of the page must not depend on selections in the fragment.

    Args:
        every_s: interval in seconds at which the fragment also reruns without a selection. By default, it does not.
    """

    @wraps(show)
    def shown(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        guarded(show)(*arguments, **named)
        if not _is_whole.get():  # otherwise, the page writes all changes to the URL in one step
            state.write_address()

    return st.fragment(shown, run_every=every_s)
