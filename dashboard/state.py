"""Choices that follow a person from page to page and live in the address, so that a view can be sent as a link.

Every widget whose value matters has a name. Its value is kept in the session under that name and published to the
query string while the widget is on the page; an address that somebody opens (a link, the browser's back button) wins
over the session.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

SEPARATOR = ","

WHOLE = "_whole_page"
"""In the session: whether the whole page is being made, and not a part of it."""

FOLD = "show-"
"""How the names of what can be unfolded begin: an address that lacks one means that it is closed."""


def adopt_address() -> None:
    """Takes over what the address says: on arrival, and when somebody goes back or forth. Before any widget.

    At other times the address may lag behind the widgets, and must not win.
    """
    _published().clear()  # of a page that was interrupted
    context = get_script_run_ctx()
    arrived = "_choices" not in st.session_state
    if not arrived and not getattr(context, "is_history_navigation", False):
        return
    st.session_state["_visits"] = visits() + 1
    address = st.query_params.to_dict()
    for name in [name for name in _choices() if name.startswith(FOLD) and name not in address]:
        del _choices()[name]
        st.session_state.pop(name, None)
    for name, text in address.items():
        _choices()[name] = text
        st.session_state.pop(name, None)  # its widget starts again from the choice


def visits() -> int:
    """How often this session has taken over what an address says."""
    return st.session_state.get("_visits", 0)


def remember(name: str, options: Sequence[Any] | None, default: Any) -> None:
    """Gives the widget called ``name`` its kept value, if that is (still) one of ``options``."""
    value = st.session_state.get(name, _decode(_choices().get(name), default))
    if isinstance(default, list):
        wanted = value if isinstance(value, list) else default
        value = [v for v in wanted if options is None or v in options]
    elif options is not None and value not in options:
        value = next((o for o in options if str(o) == str(value)), default)
    st.session_state[name] = value


def publish(name: str, value: Any) -> None:
    """Keeps ``value`` for other pages and for the address, see `write_address`."""
    text = SEPARATOR.join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    _choices()[name] = text
    _published()[name] = text


def withdraw(name: str) -> None:
    """Takes ``name`` out of the address."""
    _published()[name] = None


def forget(name: str) -> None:
    """Takes ``name`` out of the address, and out of what other pages know."""
    _choices().pop(name, None)
    withdraw(name)


def write_address() -> None:
    """Writes what a page has published so far into the address, all at once.

    Every change is a step of the browser's back button, and the browser then draws the charts that it has once more:
    so once before the first chart, and after the page for what came later.
    """
    before = st.query_params.to_dict()
    after = {name: text for name, text in (before | _published()).items() if text is not None}
    if after != before:
        st.query_params.from_dict(after)


def choose(name: str, value: Any) -> None:
    """Sets a choice from elsewhere (a button, a click on a chart); its widget shows it in the next run."""
    text = SEPARATOR.join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    _choices()[name] = text
    st.session_state.pop(name, None)


def chosen(name: str, default: str = "") -> str:
    """The kept text of a choice that may have no widget on this page."""
    return _choices().get(name, default)


def chosen_of(name: str, options: Sequence[str]) -> list[str]:
    """Those of ``options`` that the choice ``name``, which may have no widget on this page, holds."""
    return [part for part in chosen(name).split(SEPARATOR) if part in options]


def _choices() -> dict[str, str]:
    return st.session_state.setdefault("_choices", {})


def _published() -> dict[str, str | None]:
    return st.session_state.setdefault("_published", {})


def _decode(text: str | None, default: Any) -> Any:
    if text is None:
        return default
    if isinstance(default, list):
        return [part for part in text.split(SEPARATOR) if part]
    if isinstance(default, bool):
        return text == "True"
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            return default
    return text
