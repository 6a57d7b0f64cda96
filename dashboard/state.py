"""Selections that are shared by all pages and are part of the address, so a link opens the same view.

A widget's value is stored in the session under its name and published to the query string while the widget is on the
page. An address that the visitor opens (a link, the back button) overrides the session.

Streamlit's ``bind="query-params"`` does not do this (1.67, tested in Chromium with a three-page app): a selection
is lost on other pages, a list in the address (``models=a,b``) is dropped, and the back button ignores selections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

SEPARATOR = ","
"""Separator of the values of a multiple selection; within a value it is written as `COMMA`."""

PERCENT, COMMA = "%25", "%2C"

RUN = "run"
"""Name of the selection of the run, which all pages share."""

FOLD = "show-"
"""Prefix of the names of expanders. Without its name in the address, an expander is closed."""


@dataclass(frozen=True)
class Unmet:
    """A value in an address that the page does not have.

    Attributes:
        label: label of the control.
        asked: the value in the address.
        shown: what the page shows instead.
    """

    label: str
    asked: str
    shown: str


def adopt_address() -> None:
    """Store the selections of the address in the session, when the visitor arrives or navigates back or forward.

    It must run before any widget. At other times the address may lag behind the widgets and must not replace their
    values.
    """
    _published().clear()  # of a page that was interrupted
    if "_choices" in st.session_state and not _goes_back():
        return
    st.session_state["_visits"] = visits() + 1
    address = st.query_params.to_dict()
    st.session_state["_asked"] = dict(address)
    for name in [name for name in _choices() if name.startswith(FOLD) and name not in address]:
        del _choices()[name]
        st.session_state.pop(name, None)
    for name, text in address.items():
        _choices()[name] = text
        st.session_state.pop(name, None)  # its widget starts again from the selection


def visits() -> int:
    return st.session_state.get("_visits", 0)


def _goes_back() -> bool:
    """Return whether the script runs because the visitor navigated back or forward to the address."""
    return getattr(get_script_run_ctx(), "is_history_navigation", False)


def is_undone(name: str) -> bool:
    """Return whether the visitor navigated back or forward to an address without the selection ``name``."""
    return _goes_back() and name not in st.query_params


def choice(
    widget: Callable[..., Any],
    label: str,
    name: str,
    default: Any,
    options: Sequence[Any] | None = None,
    own_default: bool = False,
    **settings: Any,
) -> Any:
    """Show a Streamlit widget with the selection ``name``, write its value into the address, and return it.

    Args:
        widget: a Streamlit function such as ``st.selectbox``.
        default: the value if none of ``options`` is selected.
        own_default: whether other pages have different defaults. A default is then neither stored for other pages nor
            written into the address.
    """
    if own_default:
        if is_undone(name):
            _choices().pop(name, None)
        st.session_state.pop(name, None)  # the stored value may be another page's default
        settings |= {"on_change": _keep, "args": (name,)}
    remember(name, options, default, label)
    if own_default:
        st.session_state[name] = st.session_state[name] or default  # none of several may be available
    arguments = {} if options is None else {"options": options}
    value = widget(label, **arguments, key=name, **settings)
    if own_default and not is_chosen(name, value):
        _published()[name] = None
    else:
        publish(name, value)
    return value


def _keep(name: str) -> None:
    _choices()[name] = _encode(st.session_state[name])


def is_chosen(name: str, value: Any) -> bool:
    """Return whether the visitor has selected ``value``, or any item if it is a list, as ``name`` on any page."""
    if isinstance(value, list):
        return bool(stored_choices(name, value))
    return stored_choice(name) == value


def remember(name: str, options: Sequence[Any] | None, default: Any, label: str = "") -> None:
    """Set the widget called ``name`` to its stored value if it is one of ``options``, otherwise to ``default``."""
    value = st.session_state.get(name, _decode(_choices().get(name), default))
    if isinstance(default, list):
        requested = value if isinstance(value, list) else default
        value = [v for v in requested if options is None or v in options]
    elif options is not None and value not in options:
        value = next((o for o in options if str(o) == str(value)), default)
    # Writing a value sends it to the browser, where it replaces what the visitor is typing. All other widgets are
    # written, because the texts of their options may have changed.
    typed = options is None or isinstance(options, range)
    if not typed or name not in st.session_state or st.session_state[name] != value:
        st.session_state[name] = value
    if options is not None:
        check(name, label or name, options, value)


def check(name: str, label: str, options: Iterable[Any], shown: Any) -> None:
    """Record the value of ``name`` in the address in `unmet` if it is not one of ``options``.

    `remember` does this for every control; this function is for selections without a control.
    """
    requested = _asked().pop(name, "")
    if not requested:
        return
    several = isinstance(shown, list | tuple)
    available = {str(option) for option in options}
    missing = [value for value in (_split(requested) if several else [requested]) if value and value not in available]
    if missing:
        unmet()[name] = Unmet(label, ", ".join(missing), ", ".join(map(str, shown)) if several else str(shown))


def unmet() -> dict[str, Unmet]:
    """Return the values of the address that the page does not have, by name."""
    return st.session_state.setdefault("_unmet", {})


def begin_page(title: str) -> bool:
    """Drop the unmet values of a different page, and return whether a different page was shown before."""
    if st.session_state.get("_page") == title:
        return False
    st.session_state["_page"] = title
    for name in [name for name in unmet() if name != RUN]:
        del unmet()[name]
    return True


def publish(name: str, value: Any) -> None:
    """Store ``value`` for other pages and for `write_address`."""
    _choices()[name] = _published()[name] = _encode(value)


def forget(name: str) -> None:
    _choices().pop(name, None)
    _published()[name] = None


def write_address() -> None:
    """Write the selections that the page has published so far into the address, all at once.

    Every change of the address is a step of the browser's back button, after which the browser redraws its charts. So
    pages call this once before the first chart and once at their end.
    """
    before = st.query_params.to_dict()
    after = {name: text for name, text in (before | _published()).items() if text is not None}
    if after != before:
        st.query_params.from_dict(after)


def choose(name: str, value: Any) -> None:
    """Set a selection without its widget (a button, a click on a chart); the widget shows it in the next run."""
    _choices()[name] = _encode(value)
    st.session_state.pop(name, None)


def stored_choice(name: str) -> str:
    """Return the stored text of the selection ``name``, or an empty string. The page needs no widget for it."""
    return _choices().get(name, "")


def stored_choices(name: str, options: Sequence[str]) -> list[str]:
    """Return the ``options`` in the stored selection ``name``. The page needs no widget for it."""
    return [value for value in _split(stored_choice(name)) if value in options]


def _choices() -> dict[str, str]:
    return st.session_state.setdefault("_choices", {})


def _asked() -> dict[str, str]:
    return st.session_state.setdefault("_asked", {})


def _published() -> dict[str, str | None]:
    return st.session_state.setdefault("_published", {})


def _encode(value: Any) -> str:
    if not isinstance(value, list | tuple):
        return str(value)
    return SEPARATOR.join(str(item).replace("%", PERCENT).replace(SEPARATOR, COMMA) for item in value)


def _split(text: str) -> list[str]:
    return [item.replace(COMMA, SEPARATOR).replace(PERCENT, "%") for item in text.split(SEPARATOR) if item]


def _decode(text: str | None, default: Any) -> Any:
    if text is None:
        return default
    if isinstance(default, list):
        return _split(text)
    if isinstance(default, bool):
        return text == "True"
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            return default
    return text
