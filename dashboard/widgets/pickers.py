"""Controls of several pages; each returns the plain value of a selection that all pages share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import state
from dashboard.text import named
from probing_core.measures.notation import model_titles
from probing_core.results import Run


def select(
    label: str,
    name: str,
    options: Sequence[Any],
    default: Any = None,
    names: dict | None = None,
    help: str | None = None,
    where: Any = st,
) -> Any:
    """Show a drop-down list and return the selected option; ``names`` maps options to display texts."""
    options = list(options)
    default = default if default in options else options[0]
    return state.choice(
        where.selectbox, label, name, default, options, help=help, format_func=lambda o: (names or {}).get(o, str(o))
    )


def pick_model(run: Run, models: Sequence[str] = (), where: Any = st, default: str = "") -> str:
    """Show a selection from ``models``, by default all models of the run, and return the selected model.

    Args:
        default: the model if none was selected on any page; if empty, the first model. If several models were selected
            on a different page, the first of them is used.
    """
    models = list(models or run.models["name"])
    stored = state.stored_choices("models", models)
    first = next(model for model in (*stored, default, *models) if model in models)
    titles = model_titles(models).__getitem__
    value = state.choice(where.selectbox, "Model", "model", first, models, own_default=True, format_func=titles)
    if stored and value not in stored:
        state.choose("models", [value, *stored[:-1]])
    return value


def pick_models(run: Run, first: Sequence[str] = (), limit: int | None = None) -> list[str]:
    """Show a multiple selection of models, by default two, and return at least one model, unless the run has none.

    If more models were selected on a different page than this page can show, the first ones are shown, and the
    selection is kept.

    Args:
        first: default models, after a model that was selected on a different page.
        limit: maximum number of models that the page can show.
    """
    models = list(run.models["name"])
    begin = dict.fromkeys([*state.stored_choices("model", models), *first, *models])
    titles = model_titles(models).__getitem__
    value = state.choice(
        st.multiselect, "Models", "models", list(begin)[:2], models, own_default=True, wrap=True, format_func=titles
    )
    if state.is_chosen("models", value) and state.stored_choice("model") not in value:
        state.choose("model", value[0])
    if limit is not None and len(value) > limit:
        st.caption(f"The first {limit} of the {len(value)} selected models are shown.")
    return value[:limit] or models[:1]


def pick_transform(run: Run, where: Any = st, help: str | None = None, default: str = "") -> str:
    table = run.transforms[run.transforms["group"] != "identity"]
    names = {t: f"{g} · {named(t)}" for t, g in zip(table["transform"], table["group"], strict=True)}
    return str(
        state.choice(
            where.selectbox,
            "Transformation",
            "transform",
            default or table["transform"].iloc[0],
            list(table["transform"]),
            own_default=True,  # the page Transformations starts with none
            help=help,
            format_func=names.__getitem__,
        )
    )


def tab(titles: Mapping[str, str], name: str = "part") -> tuple[str, Any]:
    """Show tabs, render only the open one, and return its name and container; the address contains the name.

    Args:
        titles: name of each tab -> its title.
    """
    stored = state.stored_choice(name)
    selected = stored if stored in titles else next(iter(titles))
    state.check(name, "the part", titles, selected)
    # ``default`` is not used: tabs with a different default are new tabs, which forget the click that changed it.
    if st.session_state.get(name) not in titles.values():
        st.session_state[name] = titles[selected]
    tabs = st.tabs(list(titles.values()), key=name, on_change="rerun")
    for key, container in zip(titles, tabs, strict=True):
        if container.open:
            state.publish(name, key)
            return key, container
    return selected, tabs[list(titles).index(selected)]


def fold(label: str, name: str) -> Any:
    """Show an expander whose content is rendered when it is opened; the address contains the open expanders.

    Args:
        name: begins with `state.FOLD`.

    Returns:
        The container if the expander is open, otherwise None.
    """
    state.remember(name, None, False)
    box = st.expander(label, key=name, on_change="rerun")
    if box.open:
        state.publish(name, True)
        return box
    state.forget(name)  # an address lists only open expanders
    return None
