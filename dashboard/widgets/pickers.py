"""Widgets for selections that several pages share. Each function returns the selected value."""

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
    """Show a drop-down menu, and return the selected option.

    Args:
        label: label of the menu.
        name: name of the selection in the session state and the URL.
        options: available options.
        default: option that is selected initially; by default the first option.
        names: option -> display text.
        help: help text.
        where: container of the menu.
    """
    options = list(options)
    default = default if default in options else options[0]
    return state.choice(
        where.selectbox, label, name, default, options, help=help, format_func=lambda o: (names or {}).get(o, str(o))
    )


def pick_model(run: Run, models: Sequence[str] = (), where: Any = st, default: str = "") -> str:
    """Show a menu of ``models``, by default all models of the run, and return the selected model.

    If several models were selected on another page, the first of them is selected here.

    Args:
        run: run that contains the models.
        models: names of the models in the menu.
        where: container of the menu.
        default: model that is selected initially if no model was selected on any page; by default the first model.
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
    """Show a multiselect menu of models with two models selected by default, and return the models to show.

    If more models are selected than the page can show, only the first models are returned, and the selection is kept.
    If no model is selected, the first model of the run is returned.

    Args:
        run: run that contains the models.
        first: models that are selected initially, after a model that was selected on another page.
        limit: maximum number of models to return.
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
            own_default=True,  # no transformation is selected on the Transformations page by default
            help=help,
            format_func=names.__getitem__,
        )
    )


def tab(titles: Mapping[str, str], name: str = "part") -> tuple[str, Any]:
    """Show tabs, and return the name and container of the open tab. The URL contains the name.

    Args:
        titles: name of each tab -> title.
        name: name of the selection in the session state and the URL.
    """
    stored = state.stored_choice(name)
    selected = stored if stored in titles else next(iter(titles))
    state.check(name, "the tab", titles, selected)
    # The argument ``default`` is not used, because changing it would create new tabs and discard the click.
    if st.session_state.get(name) not in titles.values():
        st.session_state[name] = titles[selected]
    tabs = st.tabs(list(titles.values()), key=name, on_change="rerun")
    for key, container in zip(titles, tabs, strict=True):
        if container.open:
            state.publish(name, key)
            return key, container
    return selected, tabs[list(titles).index(selected)]


def fold(label: str, name: str) -> Any:
    """Show an expander whose content is only rendered while it is open. The URL contains all open expanders.

    Args:
        label: label of the expander.
        name: name in the session state and the URL, which begins with `state.FOLD`.

    Returns:
        The container if the expander is open, otherwise None.
    """
    state.remember(name, None, False)
    box = st.expander(label, key=name, on_change="rerun")
    if box.open:
        state.publish(name, True)
        return box
    state.forget(name)  # the URL contains only open expanders
    return None
