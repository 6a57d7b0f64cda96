"""Selections that all pages share and that are part of the URL, so that a link opens the same view.

The value of a widget is stored in the session state under the name of the widget. While the widget is on the page, the
value is also written to the query string. When the visitor opens a link or uses the back button, the URL overrides the
session state.

For example, on a page with a selection of a model:

    adopt_address(title)  # /models?model=zoo/mae: the session state gets "zoo/mae"
    model = choice(st.selectbox, "Model", "model", default, options)  # shows it, and publishes what is selected
    write_address()  # all published values in one step: /models?model=zoo/clip

Terms: a *choice* is the text of a selection, stored for all pages; what the current page has *published* becomes its
URL; *asked* values come from the URL; *unmet* are those that the page does not have.

Streamlit's ``bind="query-params"`` is not sufficient (version 1.67, tested in Chromium with a three-page app):
selections are lost on other pages, lists in the URL (``models=a,b``) are dropped, and the back button does not restore
selections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

SEPARATOR = ","
"""Separator between the values of a multiple selection. Within a value, it is escaped as `COMMA`."""

PERCENT, COMMA = "%25", "%2C"

RUN = "run"
"""Name of the selected run in the session state and the URL."""

FOLD = "show-"
"""Prefix of the names of expanders. An expander is closed if its name is not in the URL."""


@dataclass(frozen=True)
class Unmet:
    """A value in the URL that is not available on the page.

    Attributes:
        label: label of the widget.
        asked: value in the URL.
        shown: value that the page shows instead.
    """

    label: str
    asked: str
    shown: str


@dataclass(frozen=True)
class Departure:
    """Query strings from when a visitor followed a link from one page to the next.

    Attributes:
        address: query string of the page that was left.
        next: query strings that the next page has written since it was opened.
    """

    address: dict[str, str]
    next: list[dict[str, str]] = field(default_factory=list)


def adopt_address(page: str) -> None:
    """Copy selections from the URL to the session state when the visitor arrives or navigates back or forward.

    Call this function before any widget is created. In all other reruns, the URL is ignored, because it may be older
    than the values of the widgets.

    In a slow browser, Streamlit may write the query string of the next page while the URL is still that of ``page``.
    This adds an entry to the browser history (version 1.67; reproduced with a throttled processor). When the visitor
    navigates back to this entry, its query string is replaced by that with which the visitor left ``page``.
    """
    _published().clear()  # the previous script run may have been interrupted
    if "_choices" in st.session_state and not _goes_back():
        return
    st.session_state["_visits"] = visits() + 1
    departure = _departures().pop(page, None)
    if departure and st.query_params.to_dict() in departure.next:
        st.query_params.from_dict(departure.address)
    address = st.query_params.to_dict()
    st.session_state["_asked"] = dict(address)
    for name in [name for name in _choices() if name.startswith(FOLD) and name not in address]:
        del _choices()[name]
        st.session_state.pop(name, None)
    for name, text in address.items():
        _choices()[name] = text
        st.session_state.pop(name, None)  # its widget is initialized with the selection


def visits() -> int:
    return st.session_state.get("_visits", 0)


def _goes_back() -> bool:
    """Return whether the script runs because the visitor navigated back or forward."""
    return getattr(get_script_run_ctx(), "is_history_navigation", False)


def is_undone(name: str) -> bool:
    """Return whether the visitor navigated back or forward to a URL without the selection ``name``."""
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
    """Show a Streamlit widget for the selection ``name``, publish its value to the URL, and return the value.

    Args:
        widget: Streamlit function, such as ``st.selectbox``.
        label: label of the widget.
        name: name of the selection in the session state and the URL.
        default: initial value if no available value is stored.
        options: available options; None for a widget without options.
        own_default: whether other pages have different defaults. In this case, a default value is neither stored for
            other pages nor written to the URL.
        settings: other arguments of ``widget``.
    """
    if own_default:
        if is_undone(name):
            _choices().pop(name, None)
        st.session_state.pop(name, None)  # the stored value may be the default of another page
        settings |= {"on_change": _keep, "args": (name,)}
    remember(name, options, default, label)
    if own_default:
        st.session_state[name] = st.session_state[name] or default  # if no requested value is available
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
    """Return whether the visitor selected ``value`` (or any of its items, if it is a list) for ``name`` on any page."""
    if isinstance(value, list):
        return bool(stored_choices(name, value))
    return stored_choice(name) == value


def remember(name: str, options: Sequence[Any] | None, default: Any, label: str = "") -> None:
    """Initialize the widget ``name`` with the stored value if it is one of ``options``, otherwise with ``default``."""
    value = st.session_state.get(name, _decode(_choices().get(name), default))
    if isinstance(default, list):
        requested = value if isinstance(value, list) else default
        value = [v for v in requested if options is None or v in options]
    elif options is not None and value not in options:
        value = next((o for o in options if str(o) == str(value)), default)
    # Assigning a value sends it to the browser, where it would replace the text that the visitor is typing. For all
    # other widgets, the value is assigned because the texts of their options may have changed.
    typed = options is None or isinstance(options, range)
    if not typed or name not in st.session_state or st.session_state[name] != value:
        st.session_state[name] = value
    if options is not None:
        check(name, label or name, options, value)


def check(name: str, label: str, options: Iterable[Any], shown: Any) -> None:
    """Add the value of ``name`` in the URL to `unmet` if it is not one of ``options``.

    `remember` calls this function for widgets. Call it directly for selections without a widget.

    Args:
        shown: value that the page shows instead.
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
    """Return the values in the URL that are not available on the page, by name."""
    return st.session_state.setdefault("_unmet", {})


def begin_page(title: str) -> bool:
    """Return whether the visitor opened another page. If so, discard the unavailable values of the previous page."""
    previous = st.session_state.get("_page")
    st.session_state["_departure"] = None
    if previous == title:
        return False
    st.session_state["_page"] = title
    if previous in _addresses() and not _goes_back():
        st.session_state["_departure"] = _departures()[previous] = Departure(_addresses()[previous])
    for name in [name for name in unmet() if name != RUN]:
        del unmet()[name]
    return True


def publish(name: str, value: Any) -> None:
    """Store ``value`` for other pages and for the next call to `write_address`."""
    _choices()[name] = _published()[name] = _encode(value)


def forget(name: str) -> None:
    _choices().pop(name, None)
    _published()[name] = None


def write_address() -> None:
    """Write all selections that the page has published to the URL in one step.

    Every change of the URL adds an entry to the browser history and redraws existing charts. Therefore, pages call this
    function once before the first chart and once at the end.
    """
    before = st.query_params.to_dict()
    after = {name: text for name, text in (before | _published()).items() if text is not None}
    if after != before:
        st.query_params.from_dict(after)
        if departure := st.session_state.get("_departure"):
            departure.next.append(after)
    _addresses()[st.session_state.get("_page", "")] = after


def choose(name: str, value: Any) -> None:
    """Set a selection after a click on a button or a chart. Its widget shows the value after the next rerun."""
    _choices()[name] = _encode(value)
    st.session_state.pop(name, None)


def stored_choice(name: str) -> str:
    """Return the selection ``name`` as text, or an empty string. The page need not have a widget for the selection."""
    return _choices().get(name, "")


def stored_choices(name: str, options: Sequence[str]) -> list[str]:
    """Return the ``options`` that are in the selection ``name``. The page need not have a widget for the selection."""
    return [value for value in _split(stored_choice(name)) if value in options]


def _addresses() -> dict[str, dict[str, str]]:
    """Return the latest query string of each page."""
    return st.session_state.setdefault("_addresses", {})


def _departures() -> dict[str, Departure]:
    """Return the latest departure from each page."""
    return st.session_state.setdefault("_departures", {})


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
