"""Choices that follow a person from page to page and live in the address, so that a view can be sent as a link.

Every widget whose value matters has a name. Its value is stored in the session under that name and published to the
query string while the widget is on the page; an address that somebody opens (a link, the browser's back button) wins
over the session.

Streamlit's own ``bind="query-params"`` does not do this (1.67, tried in Chromium with an app of three pages): another
page loses the choice, a list in the address as ours are (``models=a,b``) is dropped, and a choice is no step of the
back button, which then leaves the address of one page on another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

SEPARATOR = ","

FOLD = "show-"
"""How the names of expanders begin: an address that lacks one means that it is closed."""

_whole_page: ContextVar[bool] = ContextVar("whole_page", default=False)


def adopt_address() -> None:
    """Takes over what the address holds: on arrival, and when somebody goes back or forth. Before any widget.

    At other times the address may lag behind the widgets, so it must not replace their values.
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
    """How often this session has taken over an address."""
    return st.session_state.get("_visits", 0)


def choice(
    widget: Callable[..., Any],
    label: str,
    name: str,
    default: Any,
    options: Sequence[Any] | None = None,
    **settings: Any,
) -> Any:
    """The value of a widget of Streamlit that begins with the choice ``name`` and writes it into the address.

    Args:
        widget: such as ``st.selectbox``.
        default: its value where nobody chose one of ``options``.
        options: those of the widget, if it has any.
    """
    remember(name, options, default)
    given = {} if options is None else {"options": options}
    value = widget(label, **given, key=name, **settings)
    publish(name, value)
    return value


def remember(name: str, options: Sequence[Any] | None, default: Any) -> None:
    """Gives the widget called ``name`` its stored value, if that is (still) one of ``options``."""
    value = st.session_state.get(name, _decode(_choices().get(name), default))
    if isinstance(default, list):
        wanted = value if isinstance(value, list) else default
        value = [v for v in wanted if options is None or v in options]
    elif options is not None and value not in options:
        value = next((o for o in options if str(o) == str(value)), default)
    st.session_state[name] = value


def publish(name: str, value: Any) -> None:
    """Stores ``value`` for other pages and for the address, see `write_address`."""
    _choices()[name] = _published()[name] = _encode(value)


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
    _choices()[name] = _encode(value)
    st.session_state.pop(name, None)


def chosen(name: str, default: str = "") -> str:
    """The stored text of a choice that may have no widget on this page."""
    return _choices().get(name, default)


def chosen_of(name: str, options: Sequence[str]) -> list[str]:
    """Those of ``options`` that the choice ``name``, which may have no widget on this page, holds."""
    return [each for each in chosen(name).split(SEPARATOR) if each in options]


@contextmanager
def whole_page() -> Iterator[None]:
    """While it lasts, the whole page is being made, and not a fragment of it alone."""
    token = _whole_page.set(True)
    try:
        yield
    finally:
        _whole_page.reset(token)


def is_whole_page() -> bool:
    return _whole_page.get()


def _choices() -> dict[str, str]:
    return st.session_state.setdefault("_choices", {})


def _published() -> dict[str, str | None]:
    return st.session_state.setdefault("_published", {})


def _encode(value: Any) -> str:
    return SEPARATOR.join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _decode(text: str | None, default: Any) -> Any:
    if text is None:
        return default
    if isinstance(default, list):
        return [each for each in text.split(SEPARATOR) if each]
    if isinstance(default, bool):
        return text == "True"
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            return default
    return text
